//! The dataset: what counts, whatever the order, and what happens where something is wrong.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests; the exemption of clippy.toml ends at `#[test]` functions"
)]

#[path = "support/content.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use dmarc_core::Limits;
use dmarc_ingest::source::{Batch, BatchSize, Content, Cursor, Message, MessageSource, Paths, Place};
use dmarc_ingest::store::{Committed, Dataset, DatasetError, DatasetReader};
use dmarc_ingest::{Observer, Received, Settings, SourceError, ingest};
use support::content;
use tempfile::TempDir;

const MAILBOX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox");

// ---- tools ------------------------------------------------------------------------

#[derive(Default)]
struct Sum(Committed);

impl Observer for Sum {
    fn mail(&mut self, _: &Received<'_>) {}

    fn unreadable(&mut self, error: &SourceError) {
        panic!("{error}");
    }

    fn committed(&mut self, committed: &Committed) {
        self.0.add(committed);
    }
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.owner.trusted_authserv_ids = vec!["mx.owner.example".to_owned()];
    settings
}

/// Takes `paths` in, `batch` messages at a time.
fn take_in(dataset: Dataset, paths: &[PathBuf], batch: usize, settings: &Settings) -> (Dataset, Committed) {
    let dataset = Mutex::new(dataset);
    let size = BatchSize { messages: batch, bytes: 1 << 20 };
    let mut source = Paths::new(paths, &Limits::default(), size);
    let mut sum = Sum::default();
    ingest(&mut source, &dataset, settings, &mut sum, &AtomicBool::new(false)).unwrap();
    (dataset.into_inner().unwrap(), sum.0)
}

fn import(data: &Path, paths: &[PathBuf]) -> Committed {
    take_in(Dataset::open(data).unwrap(), paths, 500, &settings()).1
}

/// A mail with a report of one record; `results` is what the own server says of it.
fn mail(id: &str, count: u64, results: &str) -> String {
    format!(
        "Authentication-Results: mx.owner.example; {results}\r\nFrom: a@r.example\r\n\
         Date: Tue, 1 Sep 2026 00:00:0{} +0000\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/xml\r\n\r\n\
         <feedback><report_metadata><org_name>r.example</org_name><email>a@r.example</email>\
         <report_id>{id}</report_id><date_range><begin>1789171200</begin><end>1789257599</end></date_range>\
         </report_metadata><policy_published><domain>a.example</domain><p>none</p></policy_published>\
         <record><row><source_ip>192.0.2.1</source_ip><count>{count}</count><policy_evaluated>\
         <disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>\
         <identifiers><header_from>a.example</header_from></identifiers><auth_results/></record></feedback>\r\n",
        count % 10
    )
}

const PASS: &str = "dmarc=pass";
const NONE: &str = "dmarc=none";
const FAIL: &str = "dmarc=fail";

/// A folder with these mails, and a name in it for a dataset.
fn mails(mails: &[String]) -> (TempDir, Vec<PathBuf>, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let write = |(n, mail): (usize, &String)| {
        let path = root.path().join(format!("{n}.eml"));
        fs::write(&path, mail).unwrap();
        path
    };
    let paths = mails.iter().enumerate().map(write).collect();
    let data = root.path().join("data");
    (root, paths, data)
}

fn reader(data: &Path) -> DatasetReader {
    DatasetReader::open(data).unwrap()
}

fn messages(data: &Path) -> u64 {
    reader(data).collected().unwrap().records.iter().map(|record| record.message_count).sum()
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort_unstable();
    found
}

/// The same paths in an order of which nobody would think.
fn shuffled(paths: &[PathBuf], seed: u64) -> Vec<PathBuf> {
    let mut shuffled = paths.to_vec();
    shuffled.sort_by_cached_key(|path| {
        let bytes = path.as_os_str().as_encoded_bytes();
        bytes.iter().fold(seed, |hash, byte| hash.wrapping_mul(6_364_136_223_846_793_005) ^ u64::from(*byte))
    });
    shuffled
}

// ---- what counts ------------------------------------------------------------------

#[test]
fn has_the_same_content_whatever_the_order_and_the_size_of_batches() {
    let mut paths = files(&Path::new(MAILBOX).join("new"));
    paths.extend(files(&Path::new(MAILBOX).join("cur")));
    let mut contents = Vec::new();
    for (seed, batch) in [(0, 500), (1, 500), (2, 1), (3, 7), (4, 13)] {
        let root = tempfile::tempdir().unwrap();
        let order = shuffled(&paths, seed);
        let half = &order[..order.len() / 2];
        let (dataset, _) = take_in(Dataset::open(root.path()).unwrap(), &order, batch, &settings());
        let (_, again) = take_in(dataset, half, batch, &settings());
        assert_eq!((again.mails, again.known), (0, half.len() as u64));
        contents.push((content(root.path()), reader(root.path()).collected().unwrap().inputs));
    }
    assert!(contents[0].0.len() > 100);
    for other in &contents[1..] {
        assert_eq!(&contents[0], other);
    }
}

#[test]
fn gives_a_report_of_a_trusted_mail_the_place_of_one_that_contradicts_it() {
    let (_root, paths, data) = mails(&[mail("1", 1, NONE), mail("1", 9, PASS)]);
    for order in [[0, 1], [1, 0]] {
        if data.exists() {
            fs::remove_dir_all(&data).unwrap();
        }
        import(&data, &paths[order[0]..=order[0]]);
        let second = import(&data, &paths[order[1]..=order[1]]);
        assert_eq!(second.conflicts, u64::from(order == [1, 0]));
        assert_eq!(messages(&data), 9);
        let kept = reader(&data).quarantine().unwrap();
        assert_eq!((kept.len(), kept[0].outcome.as_str(), kept[0].messages), (1, "conflict", Some(1)));
        assert_eq!(reader(&data).verify().unwrap().problems, []);
        // What gave way is kept: as the rows that it was, or as the mail.
        assert_eq!(files(&data.join("quarantine")).len(), 1);
    }
}

#[test]
fn believes_a_report_more_once_a_trusted_copy_comes() {
    let (_root, paths, data) = mails(&[mail("1", 7, NONE), mail("1", 7, PASS)]);
    import(&data, &paths[..1]);
    let copy = import(&data, &paths[1..]);
    assert_eq!((copy.duplicates, copy.reports), (1, 0));
    let records = reader(&data).collected().unwrap().records;
    assert_eq!((records.len(), records[0].report.trust.as_str()), (1, "trusted_authres"));
    assert_eq!(reader(&data).verify().unwrap().problems, []);
}

#[test]
fn sets_a_mail_that_failed_authentication_aside_with_its_bytes() {
    let (_root, paths, data) = mails(&[mail("1", 7, FAIL)]);
    assert_eq!(import(&data, &paths).untrusted, 1);
    let kept = reader(&data).quarantine().unwrap();
    assert_eq!((kept[0].outcome.as_str(), kept[0].reporter.as_deref()), ("untrusted", Some("r.example")));
    assert_eq!(reader(&data).quarantined(&kept[0].id).unwrap().unwrap(), fs::read(&paths[0]).unwrap());
    assert_eq!(messages(&data), 0);
}

#[test]
fn judges_a_mail_that_was_kept_aside_anew_when_asked() {
    let (_root, paths, data) = mails(&[mail("1", 7, FAIL)]);
    import(&data, &paths);
    let id = reader(&data).quarantine().unwrap()[0].id.clone();
    let mut dataset = Dataset::open(&data).unwrap();
    assert_eq!(dataset.retry(&id, &settings()).unwrap().unwrap().untrusted, 1);
    let mut trusting = settings();
    trusting.owner.trusted_authserv_ids.clear();
    assert_eq!(dataset.retry(&id, &trusting).unwrap().unwrap().reports, 1);
    assert!(dataset.retry(&id, &trusting).unwrap().is_none());
    assert_eq!(messages(&data), 7);
    let reader = dataset.reader().unwrap();
    assert_eq!((reader.quarantine().unwrap(), files(&data.join("quarantine"))), (vec![], vec![]));
    assert_eq!(reader.verify().unwrap().problems, []);
    assert_eq!(reader.status().unwrap().mails, [("stored".to_owned(), 1)]);
}

#[test]
fn takes_poison_in_once_and_its_neighbours_too() {
    let poison = mail("2", 7, PASS).replace("</feedback>", "");
    let (_root, paths, data) = mails(&[mail("1", 7, PASS), poison, mail("3", 7, PASS)]);
    let first = import(&data, &paths);
    assert_eq!((first.mails, first.reports, first.refused), (3, 2, 1));
    for _ in 0..3 {
        let again = import(&data, &paths);
        assert_eq!((again.mails, again.reports, again.refused, again.known), (0, 0, 0, 3));
    }
    assert_eq!(messages(&data), 14);
    let kept = reader(&data).quarantine().unwrap();
    assert_eq!((kept.len(), kept[0].outcome.as_str()), (1, "refused"));
}

#[test]
fn throws_what_is_kept_aside_away_only_when_asked() {
    let (_root, paths, data) = mails(&[mail("1", 7, FAIL)]);
    import(&data, &paths);
    let id = reader(&data).quarantine().unwrap()[0].id.clone();
    let mut dataset = Dataset::open(&data).unwrap();
    assert!(!dataset.drop_kept("%").unwrap() && !dataset.drop_kept("ffffffff").unwrap());
    assert!(dataset.drop_kept(&id).unwrap());
    assert!(!dataset.drop_kept(&id).unwrap());
    assert!(files(&data.join("quarantine")).is_empty());
    // It stays known what became of the mail.
    assert_eq!(reader(&data).status().unwrap().mails, [("untrusted".to_owned(), 1)]);
    assert_eq!(reader(&data).verify().unwrap().problems, []);
}

#[test]
fn counts_what_a_hostile_report_claims_without_overflow() {
    let (_root, paths, data) = mails(&[mail("1", u64::MAX, PASS), mail("2", u64::MAX, PASS)]);
    assert_eq!(import(&data, &paths).mails, 2);
    assert_eq!(reader(&data).verify().unwrap().problems, []);
}

#[test]
fn recognises_mail_by_its_content_after_it_was_moved() {
    let (root, paths, data) = mails(&[mail("1", 7, PASS)]);
    import(&data, &paths);
    let moved = root.path().join("moved.eml");
    fs::rename(&paths[0], &moved).unwrap();
    assert_eq!(import(&data, &[moved]).known, 1);
}

// ---- care -------------------------------------------------------------------------

#[test]
fn says_the_same_after_a_compaction() {
    let root = tempfile::tempdir().unwrap();
    let paths = [PathBuf::from(MAILBOX)];
    let (mut dataset, _) = take_in(Dataset::open(root.path()).unwrap(), &paths, 3, &settings());
    let before = content(root.path());
    let compacted = dataset.compact(2).unwrap();
    assert!(compacted.before > 2 * compacted.after, "{compacted:?}");
    assert_eq!(content(root.path()), before);
    // One segment a month and kind, each with its domains in order.
    let records = reader(root.path()).collected().unwrap().records;
    let is_descent =
        |pair: &[dmarc_core::record::FlatRecord]| pair[0].report.policy_domain > pair[1].report.policy_domain;
    let descents = records.windows(2).filter(|pair| is_descent(pair)).count() as u64;
    assert!(descents < compacted.after, "{descents} of {}", compacted.after);
    assert_eq!(dataset.compact(2).unwrap().before, compacted.after);
}

#[test]
fn forgets_reports_before_a_date_and_does_not_take_them_in_again() {
    let old = |n: u32| mail(&n.to_string(), 7, PASS);
    let new = mail("9", 5, PASS).replace("1789171200", "1791763200").replace("1789257599", "1791849599");
    let copy = mail("1", 7, PASS).replace("Subject: x", "Subject: another copy");
    let (_root, paths, data) = mails(&[old(1), old(2), new, mail("3", 7, FAIL), copy]);
    import(&data, &paths[..4]);
    let mut dataset = Dataset::open(&data).unwrap();
    assert_eq!(dataset.erase(1_789_257_599).unwrap().reports, 0);
    assert_eq!(dataset.erase(1_789_257_600).unwrap().reports, 2);
    assert_eq!(dataset.erase(1_789_257_600).unwrap().reports, 0);
    assert_eq!(messages(&data), 5);
    drop(dataset);
    assert_eq!(import(&data, &paths).reports, 0);
    assert_eq!(messages(&data), 5);
    assert_eq!(reader(&data).verify().unwrap().problems, []);
    assert_eq!(files(&data.join("quarantine")).len(), 1);
    assert_eq!(Dataset::open(&data).unwrap().erase(i64::from(u32::MAX)).unwrap().kept, 1);
    assert_eq!((messages(&data), files(&data.join("quarantine")).len()), (0, 0));
}

/// One batch of a mailbox, with how far it is read then.
struct OneBatch(Vec<String>);

impl MessageSource for OneBatch {
    fn next_batch(&mut self) -> Result<Batch, SourceError> {
        let place = |uid| Place { mailbox: "rua".into(), folder: "INBOX".into(), uid_validity: 1, uid };
        let message = |(uid, text): (u32, &String)| Message {
            source: format!("rua/INBOX/{uid}"),
            place: Some(place(uid)),
            received: None,
            content: Content::Bytes(text.clone().into_bytes()),
        };
        let messages: Vec<Message> = (1..).zip(&self.0).map(message).collect();
        let next_uid = u32::try_from(messages.len()).unwrap() + 1;
        let cursor = Cursor { mailbox: "rua".into(), folder: "INBOX".into(), uid_validity: 1, next_uid };
        Ok(Batch { messages, cursor: Some(cursor), is_last: true, ..Batch::default() })
    }

    fn acknowledge(&mut self, _: &[Place]) -> Result<(), SourceError> {
        Ok(())
    }
}

/// Asks to stop once it heard of so many mails.
struct StopsAfter<'a>(u32, &'a AtomicBool);

impl Observer for StopsAfter<'_> {
    fn mail(&mut self, _: &Received<'_>) {
        self.0 -= 1;
        self.1.store(self.0 == 0, std::sync::atomic::Ordering::Relaxed);
    }

    fn unreadable(&mut self, error: &SourceError) {
        panic!("{error}");
    }

    fn committed(&mut self, _: &Committed) {}
}

#[test]
fn keeps_what_was_read_of_a_batch_when_it_is_to_stop_and_reads_the_rest_later() {
    let root = tempfile::tempdir().unwrap();
    let dataset = Mutex::new(Dataset::open(root.path()).unwrap());
    let mut source = OneBatch((0..10).map(|id| mail(&format!("r{id}"), 1, PASS)).collect());
    let mut read = |after| {
        let stop = AtomicBool::new(false);
        ingest(&mut source, &dataset, &settings(), &mut StopsAfter(after, &stop), &stop).unwrap();
        let dataset = dataset.lock().unwrap();
        let cursor = dataset.cursor("rua", "INBOX").unwrap().map(|cursor| cursor.next_uid);
        (dataset.totals().unwrap().messages, cursor)
    };
    assert_eq!(read(3), (3, None), "the rest would be passed over");
    assert_eq!(read(100), (10, Some(11)));
}

#[test]
fn lets_one_write_and_everybody_read() {
    let (_root, paths, data) = mails(&[mail("1", 7, PASS)]);
    import(&data, &paths);
    let writer = Dataset::open(&data).unwrap();
    let refused = Dataset::open(&data).unwrap_err();
    assert!(matches!(refused, DatasetError::Locked { .. }) && refused.is_damage());
    assert!(refused.to_string().contains("another process writes to this dataset"), "{refused}");
    assert_eq!(messages(&data), 7);
    drop(writer);
    drop(Dataset::open(&data).unwrap());
}

#[test]
fn refuses_politely_what_a_newer_version_wrote() {
    let (_root, paths, data) = mails(&[mail("1", 7, PASS)]);
    import(&data, &paths);
    let ledger = rusqlite::Connection::open(data.join("ledger.sqlite")).unwrap();
    ledger.execute("UPDATE meta SET value = '2'", []).unwrap();
    for refused in [Dataset::open(&data).unwrap_err(), DatasetReader::open(&data).unwrap_err()] {
        let expected = "written with schema 2, and this version knows schema 1";
        assert!(refused.to_string().contains(expected), "{refused}");
    }
}

#[test]
fn names_a_folder_without_a_dataset() {
    let root = tempfile::tempdir().unwrap();
    assert!(matches!(DatasetReader::open(root.path()), Err(DatasetError::Missing { .. })));
}

#[test]
fn finds_what_does_not_agree() {
    let (_root, paths, data) = mails(&[mail("1", 7, PASS), mail("2", 7, FAIL)]);
    import(&data, &paths);
    let segment = files(&data.join("records")).remove(0);
    let kept = files(&data.join("quarantine")).remove(0);
    let verify = || {
        let problems = reader(&data).verify().unwrap().problems;
        problems.into_iter().map(|problem| problem.what).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(verify(), "");

    let good = fs::read(&segment).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&segment, &bad).unwrap();
    assert!(verify().contains("its content is not what was written"), "{}", verify());
    fs::remove_file(&segment).unwrap();
    assert!(verify().contains("it is missing") && verify().contains("has 0 rows"), "{}", verify());
    assert!(matches!(Dataset::open(&data), Err(DatasetError::Damaged { .. })));
    assert!(matches!(reader(&data).collected(), Err(DatasetError::Damaged { .. })));
    fs::write(&segment, &good).unwrap();
    assert_eq!(verify(), "");

    let stranger = segment.with_file_name("0.parquet");
    fs::copy(&segment, &stranger).unwrap();
    assert_eq!(verify(), "the ledger does not have it");
    fs::remove_file(&stranger).unwrap();

    fs::write(&kept, "changed").unwrap();
    assert_eq!(verify(), "its content is not what was written");
    fs::remove_file(&kept).unwrap();
    assert_eq!(verify(), "it is missing");

    let ledger = rusqlite::Connection::open(data.join("ledger.sqlite")).unwrap();
    ledger.execute("UPDATE reports SET messages = 8", []).unwrap();
    assert!(verify().contains("has 1 rows with 7 messages, and the ledger says 1 with 8"), "{}", verify());
}

#[test]
fn clears_away_what_a_crash_left_in_staging() {
    let (_root, paths, data) = mails(&[mail("1", 7, PASS)]);
    import(&data, &paths);
    fs::write(data.join("staging/segment"), "half").unwrap();
    fs::create_dir_all(data.join("staging/aggregate-2026-09")).unwrap();
    drop(Dataset::open(&data).unwrap());
    assert_eq!(fs::read_dir(data.join("staging")).unwrap().count(), 0);
    assert_eq!(messages(&data), 7);
}

// ---- what a failure leaves behind ---------------------------------------------------

/// The same report a month later.
fn next_month(mail: &str) -> String {
    mail.replace("1789171200", "1791763200").replace("1789257599", "1791849599")
}

#[test]
fn publishes_what_counts_already_before_anything_else_after_a_failure() {
    let (_root, paths, data) = mails(&[mail("1", 7, PASS), next_month(&mail("2", 5, PASS))]);
    let mut dataset = Some(Dataset::open(&data).unwrap());
    // A file where a folder is to be: the transaction is done, and the segment cannot come to its place.
    fs::write(data.join("records/kind=aggregate"), "").unwrap();
    let shared = Mutex::new(dataset.take().unwrap());
    let import = |path: &Path| {
        let mut source = Paths::new(&[path.to_owned()], &Limits::default(), BatchSize::default());
        ingest(&mut source, &shared, &settings(), &mut Sum::default(), &AtomicBool::new(false))
    };
    assert!(import(&paths[0]).is_err());
    fs::remove_file(data.join("records/kind=aggregate")).unwrap();
    import(&paths[1]).unwrap();
    assert_eq!(messages(&data), 12);
    assert_eq!(reader(&data).verify().unwrap().problems, []);
}

#[test]
fn reads_a_segment_that_counts_and_is_not_published_yet() {
    let (_root, paths, data) = mails(&[mail("1", 7, PASS)]);
    import(&data, &paths);
    let segment = files(&data.join("records")).remove(0);
    fs::rename(&segment, data.join("staging").join(segment.file_name().unwrap())).unwrap();
    assert_eq!(messages(&data), 7);
    drop(Dataset::open(&data).unwrap());
    assert_eq!(files(&data.join("records")), [segment]);
}

#[test]
fn never_puts_half_a_mail_in_the_place_of_the_whole() {
    let (_root, paths, data) = mails(&[mail("1", 7, FAIL)]);
    import(&data, &paths);
    let kept = files(&data.join("quarantine")).remove(0);
    fs::write(data.join("staging").join(kept.file_name().unwrap()), "half").unwrap();
    drop(Dataset::open(&data).unwrap());
    assert_eq!(fs::read(kept).unwrap(), fs::read(&paths[0]).unwrap());
}

#[test]
fn removes_what_was_dropped_and_is_still_there() {
    let (_root, paths, data) = mails(&[mail("1", 7, FAIL)]);
    import(&data, &paths);
    fs::write(data.join("quarantine/0.eml"), "dropped").unwrap();
    drop(Dataset::open(&data).unwrap());
    assert_eq!(files(&data.join("quarantine")).len(), 1);
}

#[test]
fn drops_the_rows_of_a_report_that_gave_way() {
    let (_root, paths, data) = mails(&[mail("1", 1, NONE), mail("1", 9, PASS)]);
    import(&data, &paths[..1]);
    import(&data, &paths[1..]);
    let kept = reader(&data).quarantine().unwrap().remove(0);
    assert_eq!((kept.outcome.as_str(), &kept.file), ("conflict", &None));
    assert!(reader(&data).quarantined(&kept.id).unwrap().is_none());
    assert!(Dataset::open(&data).unwrap().drop_kept(&kept.id).unwrap());
    assert!(files(&data.join("quarantine")).is_empty());
    assert_eq!(reader(&data).verify().unwrap().problems, []);
}

// ---- reports without a date of their own ---------------------------------------------

/// A failure report that does not say when the message arrived, sent at a time.
fn failure(date: &str, results: &str) -> String {
    format!(
        "Authentication-Results: mx.owner.example; {results}\r\nFrom: a@r.example\r\nDate: {date}\r\n\
         Subject: x\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: auth-failure\r\nUser-Agent: x/1\r\n\
         Version: 1\r\nAuth-Failure: dmarc\r\nReported-Domain: a.example\r\nSource-IP: 192.0.2.1\r\n\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: a@a.example\r\nMessage-ID: <1@a.example>\r\n\r\n--b--\r\n"
    )
}

const SEPTEMBER: &str = "Tue, 1 Sep 2026 00:00:00 +0000";
const OCTOBER: &str = "Thu, 1 Oct 2026 00:00:00 +0000";

#[test]
fn counts_copies_of_an_undated_report_once_although_their_mails_have_other_dates() {
    for (first, second) in [(NONE, PASS), (PASS, NONE)] {
        let (_root, paths, data) = mails(&[
            failure(SEPTEMBER, first),
            failure(OCTOBER, second),
            failure(OCTOBER, "dmarc=pass; x=y"),
        ]);
        for path in &paths {
            import(&data, std::slice::from_ref(path));
            assert_eq!(reader(&data).verify().unwrap().problems, []);
        }
        assert_eq!(reader(&data).collected().unwrap().failures.len(), 1);
        let together = data.with_file_name("together");
        import(&together, &paths);
        assert_eq!(content(&together), content(&data));
    }
}

#[test]
fn forgets_an_undated_report_by_the_date_of_its_mail() {
    let (_root, paths, data) = mails(&[failure(SEPTEMBER, PASS)]);
    import(&data, &paths);
    let mut dataset = Dataset::open(&data).unwrap();
    assert_eq!(dataset.erase(1_788_220_800).unwrap().reports, 0);
    assert_eq!(dataset.erase(1_788_220_801).unwrap().reports, 1);
    assert_eq!(reader(&data).verify().unwrap().problems, []);
}

#[test]
fn forgets_a_report_whatever_contradicts_it_later() {
    let (_root, paths, data) = mails(&[mail("1", 1, NONE), mail("1", 9, PASS), mail("1", 5, NONE)]);
    import(&data, &paths[..1]);
    assert_eq!(Dataset::open(&data).unwrap().erase(i64::from(u32::MAX)).unwrap().reports, 1);
    import(&data, &paths[1..]);
    assert_eq!(messages(&data), 0);
    assert_eq!(reader(&data).verify().unwrap().problems, []);
}

#[test]
fn keeps_a_dataset_in_few_folders_whatever_months_a_report_names() {
    let far = |n: u64| mail("1", 7, PASS).replace("1789171200", &format!("{}", n * 100_000_000_000));
    let (_root, paths, data) = mails(&[far(1), far(2), far(3)]);
    import(&data, &paths);
    let folders = fs::read_dir(data.join("records/kind=aggregate")).unwrap().count();
    assert_eq!((folders, messages(&data)), (1, 21));
}
