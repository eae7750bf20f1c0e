//! `dmarc check`, on a real Dovecot and a real DNS server on loopback, and where something is wrong.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests; the exemption of clippy.toml ends at `#[test]` functions"
)]

#[expect(dead_code, reason = "a part of it is enough here")]
mod common;
#[expect(dead_code, reason = "a part of it is enough here")]
#[path = "../../dmarc-ingest/tests/dns/server.rs"]
mod dns;
#[expect(dead_code, reason = "a part of it is enough here")]
#[path = "../../dmarc-ingest/tests/support/mod.rs"]
mod support;

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use common::{Run, dmarc, dmarc_with_closed_pipe, dmarc_with_env};
use dns::Dns;
use serde_json::Value;
use support::dovecot::{self, Dovecot};
use support::script::{self, Reply};
use tempfile::TempDir;

/// A folder with a configuration and a place for a dataset.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("dmarc.toml"), configuration).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs `dmarc check`; what differs from host to host is taken out.
    fn check(&self) -> Run {
        let mut run =
            dmarc_with_env(&["check", "--config", &self.path("dmarc.toml")], &[("PASSWORD", "s3cret")]);
        let home = self.folder.path().to_str().unwrap();
        run.stdout = run
            .stdout
            .lines()
            .filter(|line| !line.starts_with("ok    suffix list") && !line.contains("  disk: "))
            .map(|line| line.replace(home, "HOME") + "\n")
            .collect();
        run
    }

    fn import(&self, mails: &str) {
        let run = dmarc(&["import", mails, "--data", &self.path("data")]);
        assert!(matches!(run.code, 0 | 3), "{}", run.whole());
    }
}

fn mailbox(server: &Dovecot, more: &str) -> String {
    let account = server.account();
    format!(
        "[mailbox.rua]\nhost = \"localhost\"\nport = {}\nuser = \"dmarc\"\nca_file = \"{}\"\npassword_file = \"{}\"\n{more}",
        account.port,
        account.ca_file.unwrap().display(),
        server.path().join("password").display(),
    )
}

fn asking(dns: &Dns, domains: &str) -> String {
    format!(
        "data = \"data\"\ndns.servers = [\"{}\"]\ndns.timeout = \"1s\"\nowner.domains = [{domains}]\n",
        dns.address
    )
}

/// Everything below a folder, but for what `SQLite` keeps beside its file while somebody reads it.
fn everything(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything(&path));
        }
        found.push(path.display().to_string());
    }
    found.retain(|path| !path.ends_with("-shm") && !path.ends_with("-wal"));
    found.sort_unstable();
    found
}

#[test]
fn finds_nothing_wrong_where_nothing_is() {
    let Some(server) = dovecot::start() else { return };
    std::fs::set_permissions(server.path().join("password"), std::fs::Permissions::from_mode(0o600)).unwrap();
    server.deliver_many(3);
    let dns = Dns::start();
    dns.txt("_dmarc.example.org", "v=DMARC1; p=reject; rua=mailto:dmarc@example.org!10m");
    dns.txt("_dmarc.example.org", "something else");
    dns.txt("_smtp._tls.example.org", "v=TLSRPTv1; rua=mailto:tls@example.org");
    let site = Site::new(&(asking(&dns, "\"example.org\"") + &mailbox(&server, "")));
    site.import(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox"));
    let before = everything(site.folder.path());
    let mut run = site.check();
    let address = format!("localhost:{}", server.tls_port);
    run.stdout = run.stdout.replace(&address, "SERVER").replace(server.path().to_str().unwrap(), "DOVECOT");
    let taken_in =
        run.stdout.split("the last taken in ").nth(1).unwrap().split(';').next().unwrap().to_owned();
    run.stdout = run.stdout.replace(&taken_in, "TIME");
    insta::assert_snapshot!(run.whole());
    assert_eq!(server.untouched(), 3, "the mailbox is as it was");
    assert_eq!(everything(site.folder.path()), before);
}

#[test]
fn says_what_is_missing_in_the_dns() {
    let dns = Dns::start();
    dns.txt("_dmarc.two.example", "v=DMARC1; p=none");
    dns.txt("_dmarc.two.example", "v=DMARC1; p=reject");
    dns.txt("_dmarc.silent-rua.example", "v=DMARC1; p=none");
    dns.txt("_dmarc.parent.example", "v=DMARC1; p=quarantine; rua=mailto:a@parent.example");
    dns.txt("_dmarc.far.example", "v=DMARC1; p=none; rua=mailto:far@one.test,mailto:far@other.test");
    dns.txt("far.example._report._dmarc.other.test", "v=DMARC1");
    dns.txt("_smtp._tls.far.example", "v=TLSRPTv1; rua=https://one.test/\u{1b}[31mtls");
    let domains = [
        "none.example",
        "two.example",
        "silent-rua.example",
        "sub.parent.example",
        "far.example",
        "broken.example",
    ];
    let named: Vec<String> = domains.iter().map(|domain| format!("{domain:?}")).collect();
    let run = Site::new(&asking(&dns, &named.join(", "))).check();
    assert_eq!(run.code, 0, "what is in the DNS fails nothing: {}", run.whole());
    insta::assert_snapshot!(run.whole());
}

#[test]
fn calls_a_dns_that_does_not_answer_out_of_reach_once() {
    let dns = Dns::start();
    dns.fall_silent(true);
    let run = Site::new(&asking(&dns, "\"a.example\", \"b.example\"")).check();
    assert_eq!(run.code, 4, "{}", run.whole());
    assert_eq!(run.stdout.matches("fail  dns: ").count(), 1, "{}", run.whole());
}

#[test]
fn says_which_step_into_the_mailbox_fails() {
    let Some(server) = dovecot::start() else { return };
    std::fs::set_permissions(server.path().join("password"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let fails = |more: &str, change: &dyn Fn(String) -> String| {
        let site = Site::new(&change(format!("data = \"data\"\n{}", mailbox(&server, more))));
        let run = site.check();
        assert_eq!(run.code, 4, "{}", run.whole());
        run.stdout
            .lines()
            .skip_while(|line| !line.starts_with("fail"))
            .map(|line| line.to_owned() + "\n")
            .collect::<String>()
    };
    let same = |text: String| text;
    let folder = fails("folders = [\"INBOX\", \"Nowhere\"]\n", &same);
    assert!(folder.starts_with("fail  mailbox rua, folder Nowhere: "), "{folder}");
    assert!(folder.contains("hint: are the names in folders"), "{folder}");
    let login = fails("", &|text| text.replace("user = \"dmarc\"", "user = \"dmarc2\""));
    assert!(login.starts_with("fail  mailbox rua: ") && login.contains("is refused"), "{login}");
    assert!(login.contains("hint: are user and secret right"), "{login}");
    let roots = fails("", &|text| {
        text.lines().filter(|line| !line.starts_with("ca_file")).map(|line| line.to_owned() + "\n").collect()
    });
    assert!(roots.contains("no trustworthy TLS") && roots.contains("ca_file"), "{roots}");
}

#[test]
fn never_shows_a_secret_and_says_why_it_cannot_be_read() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let text = format!(
        "data = \"data\"\n[mailbox.a]\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"u\"\npassword_file = \"open\"\n\
         [mailbox.b]\nhost = \"127.0.0.1\"\nport = {port}\nuser = \"u\"\npassword_env = \"PASSWORD\"\n"
    );
    let site = Site::new(&text);
    std::fs::write(site.folder.path().join("open"), "hunter2").unwrap();
    std::fs::set_permissions(site.path("open"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let run = site.check();
    assert_eq!(run.code, 2, "a secret is a matter of the configuration: {}", run.whole());
    for secret in ["hunter2", "s3cret"] {
        assert!(!run.whole().contains(secret), "{}", run.whole());
    }
    insta::assert_snapshot!(run.whole().replace(&port.to_string(), "PORT"));
}

#[test]
fn shows_nothing_of_a_server_as_it_was_said() {
    let server = script::imap(|command| match command.split(' ').next().unwrap() {
        "LOGIN" => Reply::No("[AUTHENTICATIONFAILED] go\u{1b}[31m away\u{202e}\u{7}"),
        _ => script::usual(command),
    });
    let text = format!(
        "data = \"data\"\n[mailbox.rua]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nuser = \"u\"\npassword_env = \"PASSWORD\"\n",
        server.port
    );
    let run = Site::new(&text).check();
    assert_eq!(run.code, 4, "{}", run.whole());
    assert!(run.stdout.contains("is refused"), "{}", run.stdout);
    assert!(
        !run.whole().chars().any(|c| c != '\n' && dmarc_cli::render::text::is_unsafe(c)),
        "{}",
        run.whole()
    );
}

#[test]
fn calls_a_wrong_configuration_wrong_and_goes_no_further() {
    let site = Site::new("[owner]\ndomain = [\"example.org\"]\n");
    insta::assert_snapshot!(site.check().whole(), @r"
    fail  configuration: HOME/dmarc.toml:2: unknown key `owner.domain` (did you mean `domains`?): expected domains, networks or trusted_authserv_ids
    --- stderr
    dmarc: 1 of 1 checks failed
    --- exit code 2
    ");
}

#[test]
fn says_what_is_wrong_with_the_folder() {
    let site = Site::new("data = \"data\"\n");
    std::fs::write(site.path("data"), "").unwrap();
    let run = site.check();
    assert_eq!(run.code, 4, "{}", run.whole());
    assert!(run.stdout.contains("fail  data: HOME/data: this is no folder\n"), "{}", run.stdout);

    let site = Site::new("");
    let run = site.check();
    assert_eq!(run.code, 2, "{}", run.whole());
    assert!(run.stdout.contains("fail  data: it is not known where the dataset is\n"), "{}", run.stdout);
}

#[test]
fn calls_a_dataset_damaged_whose_ledger_is() {
    let site = Site::new("data = \"data\"\n");
    site.import(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/mailbox"));
    std::fs::write(
        site.path("data/ledger.sqlite"),
        "no ledger at all, and long enough to be read as one".repeat(99),
    )
    .unwrap();
    let run = site.check();
    assert_eq!(run.code, 5, "{}", run.whole());
    assert!(run.stdout.contains("fail  dataset: "), "{}", run.stdout);
}

#[test]
fn says_that_another_process_writes() {
    let site = Site::new("data = \"data\"\n");
    let dataset = dmarc_ingest::store::Dataset::open(Path::new(&site.path("data"))).unwrap();
    let run = site.check();
    assert_eq!(run.code, 0, "{}", run.whole());
    assert!(run.stdout.contains("ok    lock: another process writes"), "{}", run.stdout);
    drop(dataset);
    assert!(site.check().stdout.contains("ok    lock: nobody writes"));
}

#[test]
fn gives_the_same_as_json() {
    let site = Site::new("data = \"data\"\n");
    let run = dmarc(&["check", "--json", "--config", &site.path("dmarc.toml")]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let answer: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(answer["schema"], 1);
    let checks = answer["checks"].as_array().unwrap();
    let own = checks.iter().find(|check| check["subject"] == "own domains").unwrap();
    assert_eq!(
        (own["verdict"].as_str(), own["hint"].as_str()),
        (Some("warn"), Some("name them with `owner.domains`"))
    );
    assert_eq!(
        checks.len(),
        site.check().stdout.lines().filter(|line| !line.starts_with("      hint")).count() + 1
    );
}

#[test]
fn ends_quietly_where_nobody_listens() {
    let site = Site::new("data = \"data\"\n");
    let run = dmarc_with_closed_pipe(&["check", "--config", &site.path("dmarc.toml")]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}
