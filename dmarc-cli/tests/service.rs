//! `dmarc fetch` and `dmarc watch`, the real binary against a real Dovecot.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests; the exemption of clippy.toml ends at `#[test]` functions"
)]

#[expect(dead_code, reason = "a part of it is enough here")]
#[path = "../../dmarc-ingest/tests/support/mod.rs"]
mod support;

#[path = "../../dmarc-ingest/tests/support/content.rs"]
mod content;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use content::content;
use dmarc_ingest::store::DatasetReader;
use rustix::process::{Pid, Signal, kill_process};
use support::dovecot::{self, Dovecot};
use support::eventually;
use tempfile::TempDir;

const MAILBOX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox/new");

// ---- tools ------------------------------------------------------------------------

/// The mails of the bundled mailbox.
fn mails() -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(MAILBOX).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort_unstable();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// A server with these mails in INBOX.
fn server(mails: &[Vec<u8>]) -> Option<Dovecot> {
    let server = dovecot::start()?;
    for (number, mail) in mails.iter().enumerate() {
        server.deliver(&format!("{number:05}"), mail);
    }
    Some(server)
}

/// A configuration, and a dataset to be.
struct Site {
    root: TempDir,
}

impl Site {
    /// `more` goes into the table of each mailbox.
    fn new(mailboxes: &[(&str, &Dovecot)], more: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut text = "data = \"data\"\n[authenticate]\ndkim = false\n[lookup]\nreverse_dns = false\n\
                        [limits]\nbatch_messages = 40\n"
            .to_owned();
        for (name, server) in mailboxes {
            let account = server.account();
            let (port, ca_file) = (account.port, account.ca_file.unwrap());
            text = format!(
                "{text}[mailbox.{name}]\nhost = \"localhost\"\nport = {port}\nca_file = '{}'\nuser = \"dmarc\"\n\
                 password_file = '{}'\n{more}\n",
                ca_file.display(),
                password(root.path()).display()
            );
        }
        fs::write(root.path().join("dmarc.toml"), text).unwrap();
        Self { root }
    }

    fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dmarc"));
        command.args(arguments).arg("--config").arg(self.root.path().join("dmarc.toml"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn fetch(&self) -> String {
        let output = self.run(&["fetch"]);
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
        said
    }

    fn reader(&self) -> DatasetReader {
        DatasetReader::open(&self.data()).unwrap()
    }

    fn content(&self) -> Vec<String> {
        content(&self.data())
    }

    fn count(&self, outcome: &str) -> u64 {
        let Ok(reader) = DatasetReader::open(&self.data()) else { return 0 };
        let mails = reader.status().unwrap().mails;
        mails.iter().filter(|(name, _)| name == outcome || outcome == "any").map(|(_, count)| count).sum()
    }
}

/// The password in a file that nobody else can read.
fn password(root: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = root.join("password");
    fs::write(&path, dovecot::PASSWORD).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A running `dmarc watch`. Killed when it is dropped.
struct Watch {
    child: Child,
    log: Arc<std::sync::Mutex<String>>,
}

impl Watch {
    fn start(site: &Site) -> Self {
        let mut child = site.command(&["watch"]).spawn().unwrap();
        let log = Arc::new(std::sync::Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut said = said.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        Self { child, log }
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// User and system time so far.
    fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid().as_raw_nonzero())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks: u64 = [11, 12].iter().map(|&at: &usize| fields[at].parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    fn stop(mut self, signal: Signal) -> i32 {
        kill_process(self.pid(), signal).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

// ---- fetch ------------------------------------------------------------------------

#[test]
fn fetches_a_mailbox_once() {
    let mails = mails();
    let Some(server) = server(&mails) else { return };
    let site = Site::new(&[("rua", &server)], "");
    let first = site.fetch();
    assert!(first.contains(&format!("{} new mails", mails.len())), "{first}");
    assert!(site.fetch().starts_with("0 new mails: 0 new reports"));
    // The same as from files.
    let files = Site::new(&[], "");
    assert!(files.run(&["import", MAILBOX]).status.code().is_some());
    assert_eq!(site.content(), files.content());
    assert_eq!(server.untouched(), mails.len());
}

#[test]
fn has_the_same_content_from_mailboxes_that_overlap_whatever_the_order() {
    let mails = mails();
    let third = mails.len() / 3;
    let mut reversed = mails[third..].to_vec();
    reversed.reverse();
    let (Some(one), Some(other)) = (server(&mails[..2 * third]), server(&reversed)) else { return };
    let together = Site::new(&[("one", &one), ("other", &other)], "");
    together.fetch();
    let forward = Site::new(&[("one", &one), ("other", &other)], "");
    assert!(forward.run(&["fetch", "one"]).status.code().is_some());
    assert!(forward.run(&["fetch", "other"]).status.code().is_some());
    let backward = Site::new(&[("one", &one), ("other", &other)], "");
    assert!(backward.run(&["fetch", "other"]).status.code().is_some());
    assert!(backward.run(&["fetch", "one"]).status.code().is_some());
    assert_eq!(together.count("any"), mails.len() as u64);
    assert_eq!(together.content(), forward.content());
    assert_eq!(together.content(), backward.content());
}

#[test]
fn reads_a_folder_that_was_made_anew_without_counting_anything_twice() {
    let mails = mails();
    let Some(server) = server(&mails) else { return };
    let site = Site::new(&[("rua", &server)], "");
    site.fetch();
    let before = site.content();
    // Without its index a Maildir gets another UIDVALIDITY.
    for name in ["dovecot-uidlist", "dovecot.index.log", "dovecot.index.cache", "dovecot.index"] {
        drop(fs::remove_file(server.path().join("home/Maildir").join(name)));
    }
    fs::write(server.path().join("home/Maildir/dovecot-uidvalidity"), "7fffffff").unwrap();
    let again = site.fetch();
    assert!(again.starts_with("0 new mails"), "{again}");
    assert!(again.contains(&format!("{} known before", mails.len())), "{again}");
    assert_eq!(site.content(), before);
}

#[test]
fn leaves_no_trace_in_a_dry_run() {
    let mails = mails();
    let Some(server) = server(&mails[..30]) else { return };
    let site = Site::new(&[("rua", &server)], "after = \"delete\"");
    let output = site.run(&["fetch", "--dry-run"]);
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("30 new mails: "));
    assert!(!site.data().exists());
    assert_eq!(server.untouched(), 30);
}

#[test]
fn deletes_only_mail_that_is_durable_and_leaves_what_is_no_report() {
    let mut mails = mails()[..60].to_vec();
    mails.push(b"From: a@b.example\r\nSubject: hello\r\n\r\nno report\r\n".to_vec());
    let Some(server) = server(&mails) else { return };
    let site = Site::new(&[("rua", &server)], "after = \"delete\"");
    site.fetch();
    let left = server.flags("INBOX").len() as u64;
    assert_eq!(left, site.count("not_a_report"));
    assert!(left >= 1);
    assert_eq!(site.reader().status().unwrap().pending, 0);
    // What was refused is kept, for its mail is gone.
    assert_eq!(site.count("refused") > 0, site.reader().status().unwrap().kept > 0);
}

#[test]
fn names_a_mailbox_that_cannot_be_reached_and_reads_the_others() {
    let mails = mails();
    let Some(server) = server(&mails[..10]) else { return };
    let Some(mut dead) = dovecot::start() else { return };
    dead.kill();
    let site = Site::new(&[("dead", &dead), ("rua", &server)], "");
    let output = site.run(&["fetch"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("mailbox dead: localhost:"), "{said}");
    assert_eq!(site.count("any"), 10);
    assert!(!said.contains("s3cret"));
}

#[test]
fn says_what_it_took_in_and_then_each_mailbox_that_failed() {
    let mails = mails();
    let Some(server) = server(&mails[..10]) else { return };
    let (Some(mut dead), Some(mut gone)) = (dovecot::start(), dovecot::start()) else { return };
    dead.kill();
    gone.kill();
    let site = Site::new(&[("dead", &dead), ("gone", &gone), ("rua", &server)], "");
    let output = site.run(&["fetch"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("10 new mails: "));
    for mailbox in ["dead", "gone"] {
        assert!(said.contains(&format!("dmarc: mailbox {mailbox}: localhost:")), "{said}");
    }
}

/// Maildir folders cannot have a dot in their name: the server refuses to move mail there.
#[test]
fn takes_everything_in_although_the_server_refuses_to_move_mail() {
    let mails = mails();
    let Some(server) = server(&mails[..100]) else { return };
    let site = Site::new(&[("rua", &server)], "after = \"move:Do.ne\"");
    for _ in 0..2 {
        let output = site.run(&["fetch"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(
            said.contains("stay as they are in the mailbox") && said.contains("MOVE is refused"),
            "{said}"
        );
        assert_eq!(site.count("any"), 100, "{said}");
        let pending = site.reader().status().unwrap().pending;
        assert_eq!(pending, 100 - site.count("not_a_report"));
        assert_eq!(server.flags("INBOX").len(), 100);
    }
    // Once it is allowed, it is made good.
    let path = site.root.path().join("dmarc.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("Do.ne", "Done")).unwrap();
    site.fetch();
    assert_eq!(site.reader().status().unwrap().pending, 0);
    assert_eq!(server.flags("INBOX").len() as u64, site.count("not_a_report"));
}

#[test]
fn says_that_a_login_is_refused_without_the_password_and_asks_once() {
    let Some(server) = dovecot::start() else { return };
    server.set_password("another");
    let site = Site::new(&[("rua", &server)], "");
    let output = site.run(&["fetch"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("the login of dmarc is refused") && !said.contains("s3cret"), "{said}");
}

/// A fetch that is killed at any durable step: no mail is gone that is not in the dataset, and in the end all is.
#[cfg(feature = "fault-points")]
#[test]
fn acknowledges_nothing_early_whatever_step_it_is_killed_at() {
    use std::os::unix::process::ExitStatusExt as _;
    let mails = mails();
    let runs: u64 = std::env::var("CRASH_RUNS").map_or(6, |runs| runs.parse::<u64>().unwrap() / 10);
    let whole = Site::new(&[], "");
    assert!(whole.run(&["import", MAILBOX]).status.code().is_some());
    for after in ["delete", "move:Done"] {
        for run in 0..runs {
            let Some(server) = server(&mails) else { return };
            let site = Site::new(&[("rua", &server)], &format!("after = {after:?}"));
            let point = 1 + run * 37 % 90;
            let killed =
                site.command(&["fetch"]).env("FAULT_POINT", format!("any:{point}")).output().unwrap();
            assert_eq!(killed.status.signal(), Some(9), "at point {point}");
            let left = server.flags("INBOX").len() as u64;
            let gone = mails.len() as u64 - left;
            assert!(gone <= site.count("any"), "{gone} gone, {} taken in, point {point}", site.count("any"));
            site.fetch();
            assert_eq!(site.content(), whole.content(), "after a crash at point {point}");
            assert_eq!(site.count("any"), mails.len() as u64);
            assert_eq!(server.flags("INBOX").len() as u64, site.count("not_a_report"), "point {point}");
            assert_eq!(site.reader().status().unwrap().pending, 0);
        }
    }
}

// ---- watch ------------------------------------------------------------------------

#[test]
fn takes_mail_in_as_it_comes_and_finishes_when_asked() {
    let mails = mails();
    let Some(server) = server(&mails[..20]) else { return };
    let site = Site::new(&[("rua", &server)], "");
    for signal in [Signal::TERM, Signal::INT] {
        let watch = Watch::start(&site);
        eventually("the first mails", || site.count("any") >= 20);
        let name = format!("late-{}", signal.as_raw());
        let before = site.count("any");
        let number = if signal == Signal::TERM { 20 } else { 21 };
        server.deliver(&name, &mails[number]);
        eventually("a mail that came later", || site.count("any") == before + 1);
        assert_eq!(watch.stop(signal), 0);
    }
    assert_eq!(site.reader().verify().unwrap().problems, []);
}

#[test]
fn takes_mail_in_as_it_comes_although_the_server_refuses_to_move_it() {
    let mails = mails();
    let Some(server) = server(&mails[..20]) else { return };
    let site = Site::new(&[("rua", &server)], "after = \"move:Do.ne\"");
    let watch = Watch::start(&site);
    eventually("the first mails", || site.count("any") == 20);
    server.deliver("late", &mails[20]);
    eventually("a mail that came later", || site.count("any") == 21);
    let log = watch.log();
    // Once for the first batch; in the next pass for what is pending and for what is new.
    assert!((1..=3).contains(&log.matches("MOVE is refused").count()), "{log}");
    assert!(!log.contains("failed"), "{log}");
    assert_eq!(watch.stop(Signal::TERM), 0);
    assert_eq!(server.flags("INBOX").len(), 21);
}

#[test]
fn comes_back_after_the_server_was_killed_and_rests_meanwhile() {
    let mails = mails();
    let Some(mut server) = server(&mails[..20]) else { return };
    let site = Site::new(&[("rua", &server)], "");
    let watch = Watch::start(&site);
    eventually("the first mails", || site.count("any") == 20);
    server.kill();
    eventually("the loss is noticed", || watch.log().contains("failed"));
    let before = watch.cpu();
    eventually("a second try", || watch.log().matches("failed").count() >= 2);
    // Waiting is cheap: a tenth of the time would be a busy loop.
    let busy = watch.cpu().saturating_sub(before);
    assert!(busy < Duration::from_millis(300), "{busy:?}");
    server.deliver("late", &mails[20]);
    server.restart();
    eventually("the mail that came meanwhile", || site.count("any") == 21);
    assert_eq!(watch.stop(Signal::TERM), 0);
}

#[test]
fn says_how_it_is_where_it_is_asked_to() {
    let mails = mails();
    let Some(server) = server(&mails[..20]) else { return };
    let site = Site::new(&[("rua", &server)], "");
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let path = site.root.path().join("dmarc.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}[service]\nmetrics = \"127.0.0.1:{port}\"\nlog = \"json\"\n")).unwrap();
    let watch = Watch::start(&site);
    eventually("the mailbox is read", || get(port, "/healthz").contains("200 OK"));
    let metrics = get(port, "/metrics");
    assert!(metrics.contains("dmarc_mailbox_last_success_timestamp_seconds{mailbox=\"rua\"}"), "{metrics}");
    let totals = site.reader().verify().unwrap();
    assert!(metrics.contains(&format!("dmarc_dataset_rows {}\n", totals.rows)), "{metrics}");
    assert!(metrics.contains(&format!("dmarc_dataset_messages {}\n", totals.messages)), "{metrics}");
    assert_eq!(watch.stop_and_log(), 0);
}

impl Watch {
    /// Every line of the log is JSON.
    fn stop_and_log(self) -> i32 {
        let log = Arc::clone(&self.log);
        let code = self.stop(Signal::TERM);
        let log = log.lock().unwrap().clone();
        assert!(log.lines().count() > 2);
        for line in log.lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        }
        code
    }
}

fn get(port: u16, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return String::new() };
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    drop(stream.read_to_string(&mut answer));
    answer
}
