//! What a dataset says, for comparison.

use std::path::Path;
use std::sync::Arc;

use dmarc_ingest::store::DatasetReader;

/// Everything that counts, without where it was read from, sorted; ledger and files agree.
pub(crate) fn content(data: &Path) -> Vec<String> {
    let reader = DatasetReader::open(data).unwrap();
    assert_eq!(reader.verify().unwrap().problems, []);
    let mut collected = reader.collected().unwrap();
    let mut lines = Vec::new();
    for record in &mut collected.records {
        Arc::make_mut(&mut record.report).origin.clear();
        lines.push(format!("{record:?}"));
    }
    for tls in &mut collected.tls {
        tls.origin.clear();
        lines.push(format!("{tls:?}"));
    }
    lines
        .extend(collected.failures.iter().map(|failure| format!("{} {}", failure.source_ip, failure.domain)));
    for aside in &mut collected.set_aside {
        aside.origin.clear();
        lines.push(format!("{aside:?}"));
    }
    let status = reader.status().unwrap();
    lines.push(format!("{:?} {:?}", status.reports, status.rows));
    lines.sort_unstable();
    lines
}
