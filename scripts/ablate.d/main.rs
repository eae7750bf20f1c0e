//! Answers `findings MAILDIR --config FILE --all --format json` as `dmarc` does, with nothing but `dmarc-core`.
//!
//! For `scripts/ablate`. It reads worlds of the world generator only:
//! it believes their field Authentication-Results, and takes the first report of an identity for the one that counts.

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::net::IpAddr;
use std::path::Path;

use dmarc_core::domain::organizational;
use dmarc_core::findings::{HostFacts, HostName, Input, find};
use dmarc_core::identity::identify;
use dmarc_core::record::{FlatRecord, Trust, flatten};
use dmarc_core::{Found, Limits, Report, read};
use serde_json::json;

struct Config {
    owned: Vec<String>,
    networks: HashSet<IpAddr>,
    believes_mail: bool,
    names: BTreeMap<IpAddr, HostName>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let (maildir, config) = (Path::new(&args[2]), Config::load(Path::new(&args[4]))?);
    let mut files: Vec<_> = std::fs::read_dir(maildir.join("new"))?.collect::<Result<_, _>>()?;
    files.sort_by_key(|entry| entry.file_name());
    let (mut records, mut known) = (Vec::new(), HashSet::new());
    let (mut duplicates, mut untrusted) = (0, 0);
    for file in files {
        let bytes = std::fs::read(file.path())?;
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)]).into_owned();
        let is_forged = config.believes_mail && head.contains("; dkim=fail");
        for outcome in read(&bytes, &Limits::default()).outcomes {
            let Found::Report(parsed) = outcome.found else { continue };
            if !matches!(parsed.report, Report::Aggregate(_)) {
                continue;
            }
            if is_forged {
                untrusted += 1;
            } else if known.insert(identify(&parsed.report, "").0) {
                records.extend(config.records(parsed.report, file.file_name().display().to_string()));
            } else {
                duplicates += 1;
            }
        }
    }
    let host = |ip: IpAddr| {
        HostFacts::new(config.networks.contains(&ip), config.names.get(&ip).cloned().unwrap_or_default())
    };
    let found = find(&Input::new(&records, &host));
    let inputs = json!({ "duplicates": duplicates, "untrusted": untrusted });
    println!("{}", json!({ "domains": found.domains, "findings": found.findings, "inputs": inputs }));
    Ok(())
}

impl Config {
    fn load(path: &Path) -> Result<Self, Box<dyn Error>> {
        let config: toml::Value = toml::from_str(&std::fs::read_to_string(path)?)?;
        let list = |key: &str| -> Vec<String> {
            let list = config.get("owner").and_then(|owner| owner.get(key)?.as_array());
            list.into_iter().flatten().filter_map(|value| value.as_str().map(str::to_owned)).collect()
        };
        let hosts = config.get("lookup").and_then(|lookup| lookup.get("hosts_file")?.as_str());
        let hosts = hosts.map(|hosts| std::fs::read_to_string(path.with_file_name(hosts))).transpose()?;
        let network = |text: &String| text.split('/').next().unwrap_or_default().parse();
        Ok(Self {
            owned: list("domains"),
            networks: list("networks").iter().map(network).collect::<Result<_, _>>()?,
            believes_mail: !list("trusted_authserv_ids").is_empty(),
            names: hosts.unwrap_or_default().lines().filter_map(host).collect(),
        })
    }

    fn records(&self, report: Report<'static>, origin: String) -> Vec<FlatRecord> {
        let Report::Aggregate(report) = report else { return Vec::new() };
        let trust = if self.believes_mail { Trust::TrustedAuthres } else { Trust::Unverified };
        let domain = report.policy_published.domain.as_str();
        if !self.owned.is_empty()
            && !self.owned.iter().any(|owned| organizational(domain) == organizational(owned))
        {
            return Vec::new();
        }
        flatten(*report, origin, trust)
    }
}

/// A line of the hosts file: address, name, and whether the name resolves back.
fn host(line: &str) -> Option<(IpAddr, HostName)> {
    let mut fields = line.split('\t');
    let (ip, name) = (fields.next()?.parse().ok()?, fields.next()?.to_owned());
    Some((
        ip,
        match fields.next() {
            _ if name.is_empty() => HostName::Nameless,
            Some("confirmed") => HostName::Confirmed(name),
            _ => HostName::Unconfirmed(name),
        },
    ))
}
