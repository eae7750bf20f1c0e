//! Mailboxes on a real Dovecot, over real connections that are cut, stalled and lied on.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests stop at what should not be, and say why a test is skipped"
)]

mod support;

use std::error::Error;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dmarc_ingest::secret::Secret;
use dmarc_ingest::source::imap::{
    Account, After, Backoff, Fault, ImapError, ImapOptions, ImapSource, Login, Mechanism, OAuth2, Setback,
    Tls, Verdict, Wake,
};
use dmarc_ingest::source::{Batch, Content, Cursor, Message, MessageSource, Place, SourceError};

use support::dovecot::{self, Dovecot, message};
use support::proxy::Proxy;
use support::script::{self, Reply};
use support::{eventually, write_secret};

// ---- Helpers

fn open(account: &Account) -> Result<ImapSource, SourceError> {
    ImapSource::connect(account, &|_| None, ImapOptions::default())
}

/// One pass: its batches.
fn pass(source: &mut ImapSource) -> Vec<Batch> {
    let mut batches = Vec::new();
    loop {
        batches.push(source.next_batch().unwrap());
        if batches.last().unwrap().is_last {
            return batches;
        }
    }
}

fn messages(batches: &[Batch]) -> Vec<&Message> {
    batches.iter().flat_map(|batch| &batch.messages).collect()
}

fn uids(batches: &[Batch]) -> Vec<u32> {
    places(batches).iter().map(|place| place.uid).collect()
}

fn places(batches: &[Batch]) -> Vec<Place> {
    messages(batches).iter().map(|message| message.place.clone().unwrap()).collect()
}

fn cursor(batches: &[Batch]) -> Cursor {
    batches.iter().rev().find_map(|batch| batch.cursor.clone()).unwrap()
}

fn read(account: &Account) -> Vec<Batch> {
    pass(&mut open(account).unwrap())
}

fn fault(error: SourceError) -> Fault {
    match error {
        SourceError::Imap(ImapError { fault, .. }) => fault,
        other => panic!("{other}"),
    }
}

fn refusal(account: &Account) -> Fault {
    fault(open(account).unwrap_err())
}

/// An error as people get to see it, with its causes and in all its detail.
fn everything(error: &dyn Error) -> String {
    let mut text = format!("{error:?} {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// CPU time of this thread so far.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

static NEVER: AtomicBool = AtomicBool::new(false);

// ---- Reading

#[test]
fn fetches_all_messages_in_their_order_by_tls_and_by_starttls() {
    let Some(server) = dovecot::start() else { return };
    server.deliver_many(1200);
    for account in [server.account(), server.starttls()] {
        let batches = read(&account);
        let messages = messages(&batches);
        assert_eq!(messages.len(), 1200);
        for (number, found) in messages.iter().enumerate() {
            assert_eq!(found.content, Content::Bytes(message(number)), "{}", found.source);
            assert_eq!(found.source, format!("rua/INBOX/{}", number + 1));
            assert_eq!(found.place.as_ref().unwrap().uid as usize, number + 1);
            assert!(found.received.is_some());
        }
        assert!(batches.len() > 2, "{} batches", batches.len());
        let cursor = cursor(&batches);
        assert_eq!((cursor.folder.as_str(), cursor.next_uid), ("INBOX", 1201));
        assert!(batches.iter().all(|batch| batch.unreadable.is_empty()));
    }
}

#[test]
fn goes_on_where_the_cursor_stands() {
    let Some(server) = dovecot::start() else { return };
    server.deliver_many(2300);
    let at = cursor(&[open(&server.account()).unwrap().next_batch().unwrap()]);
    assert_eq!(at.next_uid, 501);
    for next_uid in [1, 2, 501, 1001, 2300, 2301, 4000] {
        let at = Cursor { next_uid, ..at.clone() };
        let mut source =
            ImapSource::connect(&server.account(), &|_| Some(at.clone()), ImapOptions::default()).unwrap();
        assert_eq!(uids(&pass(&mut source)), (next_uid..=2300).collect::<Vec<_>>());
        assert!(uids(&pass(&mut source)).is_empty(), "the next pass has nothing");
        server.doveadm(&["mailbox", "status", "-u", "dmarc", "messages", "INBOX"]);
    }
}

#[test]
fn keeps_a_batch_within_its_ceilings() {
    let Some(server) = dovecot::start() else { return };
    for number in 0..20 {
        let mut message = message(number);
        message.resize(10_000, b'x');
        server.deliver(&format!("{number:02}"), &message);
    }
    let mut options = ImapOptions::default();
    (options.batch_messages, options.batch_bytes) = (7, 45_000);
    let mut source = ImapSource::connect(&server.account(), &|_| None, options.clone()).unwrap();
    let sizes: Vec<usize> = pass(&mut source).iter().map(|batch| batch.messages.len()).collect();
    assert_eq!(sizes, [4, 4, 4, 4, 4]);
    (options.batch_messages, options.batch_bytes) = (7, 500_000);
    let mut source = ImapSource::connect(&server.account(), &|_| None, options.clone()).unwrap();
    let sizes: Vec<usize> = pass(&mut source).iter().map(|batch| batch.messages.len()).collect();
    assert_eq!(sizes, [7, 7, 6]);
    (options.batch_messages, options.batch_bytes) = (7, 5_000);
    let mut source = ImapSource::connect(&server.account(), &|_| None, options).unwrap();
    assert_eq!(pass(&mut source).len(), 20, "a message that is larger than a batch comes alone");
}

#[test]
fn reads_several_folders_and_names_the_one_that_is_missing() {
    let Some(server) = dovecot::start() else { return };
    server.doveadm(&["mailbox", "create", "-u", "dmarc", "Grüße & Co/台北", "empty"]);
    server.save("INBOX", &message(1));
    server.save("Grüße & Co/台北", &message(2));
    let folders = ["INBOX", "Nope", "empty", "Grüße & Co/台北"];
    let account = Account { folders: folders.map(str::to_owned).to_vec(), ..server.account() };
    let mut source = open(&account).unwrap();
    let batches = pass(&mut source);
    let sources: Vec<&str> = messages(&batches).iter().map(|message| message.source.as_str()).collect();
    assert_eq!(sources, ["rua/INBOX/1", "rua/Grüße & Co/台北/1"]);
    let unreadable: Vec<String> =
        batches.iter().flat_map(|batch| &batch.unreadable).map(ToString::to_string).collect();
    assert_eq!(unreadable.len(), 1);
    assert!(unreadable[0].starts_with("mailbox rua: folder Nope cannot be opened: "), "{unreadable:?}");
    server.save("Grüße & Co/台北", &message(3));
    assert_eq!(uids(&pass(&mut source)), [2], "the next pass has what came meanwhile");
}

#[test]
fn leaves_a_message_that_is_too_large_where_it_is() {
    let Some(server) = dovecot::start() else { return };
    let mut large = message(1);
    large.resize(2001, b'x');
    server.deliver("1", &message(1));
    server.deliver("2", &large);
    server.deliver("3", &large[..2000]);
    let mut options = ImapOptions::default();
    options.message_bytes = 2000;
    let mut source = ImapSource::connect(&server.account(), &|_| None, options).unwrap();
    let batches = pass(&mut source);
    let found = messages(&batches);
    assert_eq!(found.len(), 3);
    assert_eq!(found[1].content, Content::TooLarge { bytes: 2001 });
    assert!(matches!(&found[2].content, Content::Bytes(bytes) if bytes.len() == 2000));
    assert_eq!(cursor(&batches).next_uid, 4);
}

#[test]
fn reads_uids_with_gaps_up_to_the_largest() {
    let Some(server) = dovecot::start() else { return };
    for (number, next) in [2_u32, 5_000_000, 3_000_000_000, 4_294_967_293].iter().enumerate() {
        server.save("INBOX", &message(number));
        server.doveadm(&["mailbox", "update", "-u", "dmarc", "--min-next-uid", &next.to_string(), "INBOX"]);
    }
    server.save("INBOX", &message(9));
    let mut source = open(&server.account()).unwrap();
    let batches = pass(&mut source);
    assert_eq!(uids(&batches), [1, 2, 5_000_000, 3_000_000_000, 4_294_967_293]);
    assert_eq!(cursor(&batches).next_uid, 4_294_967_294);
    for (from, count) in [(3, 3), (5_000_001, 2), (4_294_967_293, 1), (u32::MAX, 0)] {
        let at = Cursor { next_uid: from, ..cursor(&batches) };
        let mut source =
            ImapSource::connect(&server.account(), &|_| Some(at.clone()), ImapOptions::default()).unwrap();
        assert_eq!(uids(&pass(&mut source)).len(), count, "from {from}");
    }
}

#[test]
fn reads_everything_again_if_uidvalidity_changes() {
    let Some(server) = dovecot::start() else { return };
    server.deliver_many(5);
    let account = Account { after: After::Delete, ..server.account() };
    let mut source = open(&account).unwrap();
    let before = pass(&mut source);
    server.doveadm(&["mailbox", "update", "-u", "dmarc", "--uid-validity", "4711", "INBOX"]);
    // Another client may only hear of it when it opens the folder again.
    let at = cursor(&before);
    assert_ne!(at.uid_validity, 4711);
    drop(source);
    let mut source = ImapSource::connect(&account, &|_| Some(at.clone()), ImapOptions::default()).unwrap();
    source.acknowledge(&places(&before)).unwrap();
    assert_eq!(server.flags("INBOX").len(), 5, "places of the old folder are passed over");
    let after = pass(&mut source);
    assert_eq!(uids(&after), [1, 2, 3, 4, 5]);
    assert_eq!(cursor(&after).uid_validity, 4711);
}

#[test]
fn passes_over_what_another_client_expunges_meanwhile() {
    let Some(server) = dovecot::start() else { return };
    server.deliver_many(30);
    let mut options = ImapOptions::default();
    options.batch_messages = 10;
    let account = Account { after: After::Seen, ..server.account() };
    let mut source = ImapSource::connect(&account, &|_| None, options).unwrap();
    let mut batches = vec![source.next_batch().unwrap()];
    server.doveadm(&["expunge", "-u", "dmarc", "mailbox", "INBOX", "uid", "3,12,15:17,21:30"]);
    batches.extend(pass(&mut source));
    let expected: Vec<u32> = (1..=20).filter(|uid| ![12, 15, 16, 17].contains(uid)).collect();
    assert_eq!(uids(&batches), expected);
    assert!(batches.iter().all(|batch| batch.unreadable.is_empty()), "{batches:?}");
    assert_eq!(cursor(&batches).next_uid, 31);
    source.acknowledge(&places(&batches)).unwrap();
    assert_eq!(server.flags("INBOX").len(), 15);
    server.deliver("later", &message(99));
    assert_eq!(uids(&pass(&mut source)), [31]);
}

#[test]
fn reads_answers_that_come_byte_by_byte() {
    let Some(server) = dovecot::start() else { return };
    server.deliver_many(30);
    let proxy = Proxy::dribbling(server.plain_port);
    let batches = read(&Account { tls: Tls::None, port: proxy.port, ..server.account() });
    let found = messages(&batches);
    assert_eq!(found.len(), 30);
    assert!((0..30).all(|number| found[number].content == Content::Bytes(message(number))));
}

#[test]
fn misses_nothing_if_numbers_shift_between_two_windows() {
    let Some(server) = dovecot::start() else { return };
    server.deliver_many(2200);
    for gone in ["5", "2:900", "1000,1001,1002"] {
        let mut source = open(&server.account()).unwrap();
        let mut batches = vec![source.next_batch().unwrap()];
        let before = server.flags("INBOX");
        server.doveadm(&["expunge", "-u", "dmarc", "mailbox", "INBOX", "uid", gone]);
        let after = server.flags("INBOX");
        batches.extend(pass(&mut source));
        let seen = uids(&batches);
        let is_seen = |line: &String| seen.contains(&line.split(' ').next().unwrap().parse().unwrap());
        assert!(after.len() < before.len() && after.iter().all(is_seen), "{gone}");
    }
}

// ---- Acknowledging

#[test]
fn leaves_no_trace_in_a_dry_run() {
    let Some(server) = dovecot::start() else { return };
    server.deliver_many(3);
    for after in [After::Keep, After::Seen, After::Move("Archive".to_owned()), After::Delete] {
        let mut options = ImapOptions::default();
        options.dry_run = true;
        let account = Account { after, ..server.account() };
        let mut source = ImapSource::connect(&account, &|_| None, options).unwrap();
        let batches = pass(&mut source);
        source.acknowledge(&places(&batches)).unwrap();
        source.close();
        assert_eq!(uids(&batches), [1, 2, 3]);
        assert_eq!(server.untouched(), 3, "the messages are as new as they were");
    }
    assert_eq!(server.flags("INBOX"), ["1 \\Recent", "2 \\Recent", "3 \\Recent"]);
    assert!(!server.doveadm(&["mailbox", "list", "-u", "dmarc"]).contains("Archive"));
}

#[test]
fn leaves_no_trace_if_messages_are_kept() {
    let Some(server) = dovecot::start() else { return };
    server.deliver_many(3);
    let mut source = open(&server.account()).unwrap();
    let batches = pass(&mut source);
    source.acknowledge(&places(&batches)).unwrap();
    assert_eq!((uids(&batches).len(), server.untouched()), (3, 3));
}

/// Reads all, acknowledges 1 and 3 of four, of which another client deleted the fourth; twice, as after a crash.
fn acknowledge_two(server: &Dovecot, after: After) {
    server.deliver_many(4);
    let mut source = open(&Account { after, ..server.account() }).unwrap();
    let batches = pass(&mut source);
    server.doveadm(&["flags", "add", "-u", "dmarc", "\\Deleted", "mailbox", "INBOX", "uid", "4"]);
    let all = places(&batches);
    let two = [all[2].clone(), all[0].clone()];
    source.acknowledge(&two).unwrap();
    source.acknowledge(&two).unwrap();
    source.close();
}

fn without_recent(server: &Dovecot, folder: &str) -> Vec<String> {
    server.flags(folder).iter().map(|line| line.replace("\\Recent", "").trim().to_owned()).collect()
}

#[test]
fn flags_as_seen_what_is_acknowledged() {
    let Some(server) = dovecot::start() else { return };
    acknowledge_two(&server, After::Seen);
    assert_eq!(without_recent(&server, "INBOX"), ["1 \\Seen", "2", "3 \\Seen", "4 \\Deleted"]);
}

#[test]
fn deletes_nothing_but_what_is_acknowledged() {
    let Some(server) = dovecot::start() else { return };
    acknowledge_two(&server, After::Delete);
    assert_eq!(without_recent(&server, "INBOX"), ["2", "4 \\Deleted"]);
}

#[test]
fn moves_into_a_folder_that_it_creates() {
    let Some(server) = dovecot::start() else { return };
    acknowledge_two(&server, After::Move("Erledigt/Größe".to_owned()));
    assert_eq!(without_recent(&server, "INBOX"), ["2", "4 \\Deleted"]);
    assert_eq!(without_recent(&server, "Erledigt/Größe"), ["1", "2"]);
}

const POOR: &str = "protocol imap {\n  imap_capability = IMAP4rev1\n}\n";
const UIDPLUS: &str = "protocol imap {\n  imap_capability = IMAP4rev1 UIDPLUS\n}\n";

#[test]
fn only_flags_as_deleted_without_uidplus() {
    let Some(server) = dovecot::start_with(&["localhost"], POOR) else { return };
    acknowledge_two(&server, After::Delete);
    assert_eq!(without_recent(&server, "INBOX"), ["1 \\Deleted", "2", "3 \\Deleted", "4 \\Deleted"]);
}

#[test]
fn copies_once_without_move_and_uidplus() {
    let Some(server) = dovecot::start_with(&["localhost"], POOR) else { return };
    acknowledge_two(&server, After::Move("Archive".to_owned()));
    assert_eq!(without_recent(&server, "INBOX"), ["1 \\Deleted", "2", "3 \\Deleted", "4 \\Deleted"]);
    assert_eq!(without_recent(&server, "Archive"), ["1", "2"]);
}

#[test]
fn copies_and_expunges_without_move() {
    let Some(server) = dovecot::start_with(&["localhost"], UIDPLUS) else { return };
    acknowledge_two(&server, After::Move("Archive".to_owned()));
    assert_eq!(without_recent(&server, "INBOX"), ["2", "4 \\Deleted"]);
    assert_eq!(without_recent(&server, "Archive"), ["1", "2"]);
}

#[test]
fn has_nothing_to_acknowledge_in_a_folder_that_is_gone() {
    let Some(server) = dovecot::start() else { return };
    server.save("INBOX", &message(1));
    server.doveadm(&["mailbox", "create", "-u", "dmarc", "gone"]);
    server.save("gone", &message(2));
    let folders = vec!["INBOX".to_owned(), "gone".to_owned()];
    let account = Account { after: After::Delete, folders, ..server.account() };
    let places = places(&read(&account));
    assert_eq!(places.len(), 2);
    server.doveadm(&["mailbox", "delete", "-u", "dmarc", "gone"]);
    open(&account).unwrap().acknowledge(&places).unwrap();
    assert!(server.flags("INBOX").is_empty());
}

#[test]
fn acknowledges_on_a_connection_that_reads_on_in_another_folder() {
    let Some(server) = dovecot::start() else { return };
    server.doveadm(&["mailbox", "create", "-u", "dmarc", "other"]);
    for number in 0..10 {
        server.save("INBOX", &message(number));
        server.save("other", &message(number));
    }
    let folders = vec!["INBOX".to_owned(), "other".to_owned()];
    let account = Account { after: After::Delete, folders, ..server.account() };
    let mut options = ImapOptions::default();
    options.batch_messages = 3;
    let mut source = ImapSource::connect(&account, &|_| None, options).unwrap();
    let (mut late, mut seen) = (Vec::new(), 0);
    loop {
        // Each batch is acknowledged while the one after it is out.
        let batch = source.next_batch().unwrap();
        source.acknowledge(&late).unwrap();
        seen += batch.messages.len();
        let is_last = batch.is_last;
        late = places(&[batch]);
        if is_last {
            break;
        }
    }
    source.acknowledge(&late).unwrap();
    assert_eq!(seen, 20);
    assert_eq!((server.flags("INBOX").len(), server.flags("other").len()), (0, 0));
}

// ---- Privacy

#[test]
fn refuses_a_certificate_that_nobody_vouches_for() {
    let Some(server) = dovecot::start() else { return };
    let missing = server.path().join("missing.pem");
    let stranger = tempfile::tempdir().unwrap();
    let stranger_ca = support::pki::write(stranger.path(), &["localhost"]);
    for account in [server.account(), server.starttls()] {
        let fault = refusal(&Account { ca_file: Some(stranger_ca.clone()), ..account.clone() });
        assert!(matches!(fault, Fault::Tls { .. }), "{fault:?}");
        let fault = refusal(&Account { ca_file: None, ..account.clone() });
        assert!(matches!(fault, Fault::Tls { .. } | Fault::Roots(_)), "{fault:?}");
        let fault = refusal(&Account { ca_file: Some(missing.clone()), ..account });
        assert!(matches!(fault, Fault::Roots(_)), "{fault:?}");
    }
    assert!(!server.log().contains("user=<dmarc>"), "{}", server.log());
}

#[test]
fn refuses_a_certificate_of_another_host() {
    let Some(server) = dovecot::start_with(&["imap.example.org"], "") else { return };
    for account in [server.account(), server.starttls()] {
        let fault = refusal(&account);
        assert!(matches!(fault, Fault::Tls { .. }), "{fault:?}");
        assert!(everything(&fault).contains("localhost"), "{}", everything(&fault));
    }
    assert!(!server.log().contains("user=<dmarc>"), "{}", server.log());
}

#[test]
fn sends_no_password_if_starttls_is_taken_out() {
    let Some(server) = dovecot::start() else { return };
    let proxy = Proxy::replacing(server.plain_port, Some((" STARTTLS", "")));
    let fault = refusal(&Account { port: proxy.port, ..server.starttls() });
    assert!(matches!(fault, Fault::Insecure { .. }), "{fault:?}");
    assert!(!server.log().contains("user=<dmarc>"), "{}", server.log());
}

#[test]
fn believes_nothing_that_came_in_the_clear_after_starttls() {
    let Some(server) = dovecot::start() else { return };
    let end = "Begin TLS negotiation now.\r\n";
    let more = "Begin TLS negotiation now.\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n";
    let proxy = Proxy::replacing(server.plain_port, Some((end, more)));
    let fault = refusal(&Account { port: proxy.port, ..server.starttls() });
    assert!(matches!(fault, Fault::Insecure { .. }), "{fault:?}");
}

#[test]
fn sends_no_password_to_a_server_that_says_somebody_is_logged_in() {
    let Some(server) = dovecot::start() else { return };
    let proxy = Proxy::replacing(server.plain_port, Some(("* OK [", "* PREAUTH [")));
    let fault = refusal(&Account { port: proxy.port, ..server.starttls() });
    assert!(matches!(fault, Fault::Insecure { .. }), "{fault:?}");
}

#[test]
fn talks_in_the_clear_to_loopback_only() {
    let Some(server) = dovecot::start() else { return };
    server.deliver_many(1);
    let account = Account { tls: Tls::None, ..server.starttls() };
    assert_eq!(uids(&read(&account)), [1]);
    let fault = refusal(&Account { host: "192.0.2.1".to_owned(), ..account });
    assert!(matches!(fault, Fault::Insecure { .. }), "{fault:?}");
}

#[test]
fn keeps_the_password_out_of_the_error_of_a_refused_login() {
    let Some(server) = dovecot::start() else { return };
    let file = server.path().join("wrong");
    write_secret(&file, "Wr0ng-secret\n").unwrap();
    let account = Account { login: Login::Password(Secret::File(file)), ..server.account() };
    let error = open(&account).unwrap_err();
    let text = everything(&error);
    assert!(!text.contains("Wr0ng"), "{text}");
    assert!(text.contains("the login of dmarc is refused"), "{text}");
    assert_eq!(Setback::of(&error), Setback::LoginRefused);
}

#[test]
fn keeps_the_password_out_of_the_error_of_a_server_that_repeats_it() {
    let server = script::imap(|command| match command.split(' ').next().unwrap() {
        "LOGIN" => Reply::No("[X] LOGIN dmarc \"tell-nobody\" failed"),
        _ => script::usual(command),
    });
    let folder = tempfile::tempdir().unwrap();
    write_secret(folder.path().join("password"), "tell-nobody").unwrap();
    let login = Login::Password(Secret::File(folder.path().join("password")));
    let error = open(&server.account(login)).unwrap_err();
    assert_eq!(server.count("LOGIN \"dmarc\" \"tell-nobody\""), 1);
    assert!(!everything(&error).contains("tell"), "{}", everything(&error));
    assert!(fault(error).is_login_refused());
}

#[test]
fn logs_in_by_authenticate_if_login_is_disabled_and_with_any_password() {
    let Some(server) = dovecot::start() else { return };
    let password = "Grüße \"\\ {3}";
    write_secret(server.path().join("password"), password).unwrap();
    server.set_password(password);
    assert_eq!(uids(&read(&server.account())).len(), 0);
    let proxy = Proxy::replacing(server.plain_port, Some((" IDLE", " LOGINDISABLED")));
    let account = Account { tls: Tls::None, port: proxy.port, ..server.account() };
    assert_eq!(uids(&read(&account)).len(), 0);
    assert!(proxy.heard("LOGINDISABLED"));
}

// ---- Tokens

fn oauth2(endpoint: u16, mechanism: Option<Mechanism>, folder: &std::path::Path) -> Login {
    write_secret(folder.join("refresh"), "refresh-me").unwrap();
    write_secret(folder.join("client"), "client-secret").unwrap();
    Login::OAuth2(OAuth2 {
        token_url: format!("http://127.0.0.1:{endpoint}/token"),
        client_id: "dmarc-client".to_owned(),
        client_secret: Some(Secret::File(folder.join("client"))),
        refresh_token: Secret::File(folder.join("refresh")),
        scope: None,
        mechanism,
    })
}

#[test]
fn logs_in_with_an_access_token_and_keeps_it() {
    let endpoint = script::http(|request, body| {
        if request.starts_with("POST /token ") {
            let asked = "grant_type=refresh_token&refresh_token=refresh-me&client_id=dmarc-client&client_secret=client-secret";
            assert_eq!(body, asked);
            return (
                200,
                "{\"access_token\":\"access-1\",\"expires_in\":3600,\"token_type\":\"Bearer\"}".to_owned(),
            );
        }
        if request.contains("access-1") {
            return (200, "{\"username\":\"dmarc\",\"active\":true}".to_owned());
        }
        (401, "{}".to_owned())
    });
    let Some(server) = dovecot::start_with_tokens(endpoint.port) else { return };
    server.deliver_many(2);
    let options = ImapOptions::default();
    for mechanism in [None, Some(Mechanism::Xoauth2), Some(Mechanism::OAuthBearer)] {
        let account = Account { login: oauth2(endpoint.port, mechanism, server.path()), ..server.account() };
        let mut source = ImapSource::connect(&account, &|_| None, options.clone()).unwrap();
        assert_eq!(uids(&pass(&mut source)), [1, 2], "{mechanism:?}");
    }
    assert_eq!(endpoint.count("POST /token"), 1);
}

#[test]
fn asks_for_another_token_after_a_refused_one() {
    let endpoint = script::http(|request, _| {
        if request.starts_with("POST /token ") {
            return (200, "{\"access_token\":\"stale-token\",\"expires_in\":3600}".to_owned());
        }
        (401, "{}".to_owned())
    });
    let Some(server) = dovecot::start_with_tokens(endpoint.port) else { return };
    let options = ImapOptions::default();
    for (tries, mechanism) in [Mechanism::Xoauth2, Mechanism::OAuthBearer].into_iter().enumerate() {
        let account =
            Account { login: oauth2(endpoint.port, Some(mechanism), server.path()), ..server.account() };
        let error = ImapSource::connect(&account, &|_| None, options.clone()).unwrap_err();
        assert!(!everything(&error).contains("stale-token"), "{}", everything(&error));
        assert!(fault(error).is_login_refused());
        assert_eq!(endpoint.count("POST /token"), tries + 1);
    }
}

#[test]
fn shows_what_a_token_endpoint_says_without_the_secrets() {
    for (status, answer, refused) in [
        (400, "{\"error\":\"invalid_grant\",\"error_description\":\"refresh-me is no good\"}", true),
        (400, "{\"error\":\"refresh-me\"}", true),
        (500, "client-secret", false),
        (200, "{\"access_token\":\"a b\"}", false),
        (302, "{}", false),
    ] {
        let endpoint = script::http(move |_, _| (status, answer.to_owned()));
        let server = script::imap(|command| match command {
            "CAPABILITY" => Reply::Ok(b"* CAPABILITY IMAP4rev1 AUTH=XOAUTH2\r\n".to_vec()),
            _ => script::usual(command),
        });
        let folder = tempfile::tempdir().unwrap();
        let error = open(&server.account(oauth2(endpoint.port, None, folder.path()))).unwrap_err();
        let text = everything(&error);
        assert!(!text.contains("refresh-me") && !text.contains("client-secret"), "{text}");
        assert!(text.contains(&format!("HTTP {status}")), "{text}");
        assert_eq!(fault(error).is_login_refused(), refused, "{text}");
        assert_eq!(server.count("AUTHENTICATE"), 0);
    }
}

// ---- Connections that break

#[test]
fn reads_each_message_once_although_the_connection_is_cut_in_the_middle() {
    let Some(server) = dovecot::start() else { return };
    server.deliver_many(3000);
    let proxy = Proxy::start(server.tls_port);
    let account = Account { port: proxy.port, ..server.account() };
    let mut options = ImapOptions::default();
    options.batch_messages = 100;
    let (mut at, mut seen, mut cuts) = (None, Vec::new(), 0);
    loop {
        let mut source = ImapSource::connect(&account, &|_| at.clone(), options.clone()).unwrap();
        if cuts < 5 {
            proxy.cut_after(150_000);
        }
        let ended = loop {
            match source.next_batch() {
                Ok(batch) => {
                    at = batch.cursor.clone().or(at);
                    let is_last = batch.is_last;
                    seen.extend(uids(&[batch]));
                    if is_last {
                        break true;
                    }
                }
                Err(error) => {
                    assert!(matches!(fault(error), Fault::Lost { .. }));
                    break false;
                }
            }
        };
        proxy.cut_after(u64::MAX / 2);
        if ended {
            break;
        }
        cuts += 1;
    }
    assert_eq!(seen, (1..=3000).collect::<Vec<_>>());
    assert!(cuts >= 2, "{cuts} cuts");
}

#[test]
fn finds_a_killed_server_out_while_reading_and_while_waiting_and_reads_on_when_it_is_back() {
    let Some(mut server) = dovecot::start() else { return };
    server.deliver_many(600);
    let mut source = open(&server.account()).unwrap();
    let first = source.next_batch().unwrap();
    server.kill();
    let broken = source.next_batch().unwrap_err();
    assert!(matches!(fault(broken), Fault::Lost { .. } | Fault::Bye { .. }));
    assert!(matches!(refusal(&server.account()), Fault::Unreachable { .. }));

    server.restart();
    let at = first.cursor;
    // In the clear, so that the test can see when the server waits.
    let proxy = Proxy::start(server.plain_port);
    let account = Account { tls: Tls::None, port: proxy.port, ..server.account() };
    let mut source = ImapSource::connect(&account, &|_| at.clone(), ImapOptions::default()).unwrap();
    assert_eq!(uids(&pass(&mut source)), (501..=600).collect::<Vec<_>>());
    let waiting = thread::spawn(move || source.wait(Duration::from_mins(10), &NEVER));
    eventually("it waits", || proxy.heard("+ idling"));
    server.kill();
    let broken = waiting.join().unwrap().unwrap_err();
    assert!(matches!(fault(broken), Fault::Lost { .. } | Fault::Bye { .. }));
}

#[test]
fn finds_a_half_closed_connection_out_while_waiting_and_does_not_spin() {
    let Some(server) = dovecot::start() else { return };
    let proxy = Proxy::start(server.plain_port);
    let account = Account { tls: Tls::None, port: proxy.port, ..server.account() };
    let waiting = thread::spawn(move || {
        let mut source = open(&account).unwrap();
        pass(&mut source);
        let before = cpu();
        let ended = source.wait(Duration::from_mins(10), &NEVER);
        (ended, cpu().saturating_sub(before))
    });
    eventually("it waits", || proxy.heard("+ idling"));
    proxy.half_close();
    let (ended, cpu) = waiting.join().unwrap();
    assert!(matches!(fault(ended.unwrap_err()), Fault::Lost { .. }));
    assert!(cpu < Duration::from_millis(100), "{cpu:?}");
}

#[test]
fn gives_a_silent_server_no_more_than_the_time_out() {
    let Some(server) = dovecot::start() else { return };
    server.deliver_many(2000);
    // So that the server has its index, and needs no time of its own.
    read(&server.account());
    let timeout = Duration::from_secs(2);
    let proxy = Proxy::start(server.tls_port);
    let account = Account { port: proxy.port, timeout, ..server.account() };
    let mut source = open(&account).unwrap();
    source.next_batch().unwrap();
    proxy.stall_after(20_000);
    let begun = Instant::now();
    let broken = loop {
        match source.next_batch() {
            Ok(batch) => assert!(!batch.is_last),
            Err(error) => break fault(error),
        }
    };
    assert!(matches!(broken, Fault::TimedOut { seconds: 2, .. }), "{broken:?}");
    assert!(begun.elapsed() >= timeout && begun.elapsed() < 10 * timeout, "{:?}", begun.elapsed());

    // One that never says anything at all.
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = mute.local_addr().unwrap().port();
    for tls in [Tls::Implicit, Tls::StartTls, Tls::None] {
        let fault = refusal(&Account { port, tls, ..account.clone() });
        assert!(matches!(fault, Fault::TimedOut { .. }), "{tls:?}: {fault:?}");
    }
}

#[test]
fn bothers_a_server_that_always_says_goodbye_ever_less_often() {
    let server = script::imap(|command| match command.split(' ').next().unwrap() {
        "EXAMINE" => Reply::HangUp("* BYE too busy\r\n"),
        _ => script::usual(command),
    });
    let folder = tempfile::tempdir().unwrap();
    write_secret(folder.path().join("password"), "x").unwrap();
    let account = server.account(Login::Password(Secret::File(folder.path().join("password"))));
    // The loop of a service, of which the clock is turned on instead of waiting.
    let (mut clock, mut backoff) = (Duration::ZERO, Backoff::new());
    while clock < Duration::from_hours(1) {
        let ended = open(&account).and_then(|mut source| source.next_batch());
        let error = ended.unwrap_err();
        clock += backoff.failed(Setback::of(&error));
        let fault = fault(error);
        assert!(matches!(&fault, Fault::Bye { answer, .. } if answer == "too busy"), "{fault:?}");
    }
    let logins = server.count("LOGIN");
    assert!((5..=20).contains(&logins), "{logins} logins in an hour");
}

// ---- Servers that lie

fn password_of(folder: &std::path::Path) -> Login {
    write_secret(folder.join("password"), "x").unwrap();
    Login::Password(Secret::File(folder.join("password")))
}

#[test]
fn keeps_no_message_that_is_larger_than_it_was_said_to_be() {
    const BYTES: usize = 30 << 20;
    let server = script::imap(|command| {
        if command.starts_with("UID FETCH") {
            let mut answer = format!("* 1 FETCH (UID 7 BODY[] {{{BYTES}}}\r\n").into_bytes();
            answer.resize(answer.len() + BYTES, b'x');
            answer.extend_from_slice(b")\r\n");
            return Reply::Ok(answer);
        }
        script::usual(command)
    });
    let folder = tempfile::tempdir().unwrap();
    let account = server.account(password_of(folder.path()));
    let mut options = ImapOptions::default();
    options.message_bytes = 1 << 20;
    let mut source = ImapSource::connect(&account, &|_| None, options.clone()).unwrap();
    let mut batches = Vec::new();
    let memory = allocation_counter::measure(|| batches = pass(&mut source));
    assert!(memory.bytes_max < 2 << 20, "{} bytes", memory.bytes_max);
    assert_eq!(messages(&batches)[0].content, Content::TooLarge { bytes: BYTES as u64 });
    assert_eq!(cursor(&batches).next_uid, 8);
    // One that only does not fit into the batch comes after all.
    options.message_bytes = 50 << 20;
    options.batch_bytes = 1 << 20;
    let mut source = ImapSource::connect(&account, &|_| None, options).unwrap();
    let batches = pass(&mut source);
    assert!(matches!(&messages(&batches)[0].content, Content::Bytes(bytes) if bytes.len() == BYTES));
}

#[test]
fn gives_up_on_an_answer_without_an_end() {
    let endless = ["* OK ".to_owned() + &"x".repeat(3 << 20), "* 1 FETCH (FLAGS ())\r\n".repeat(400_000)];
    for text in endless {
        let server = script::imap(move |command| match command.split(' ').next().unwrap() {
            "FETCH" => Reply::Ok(text.clone().into_bytes()),
            _ => script::usual(command),
        });
        let folder = tempfile::tempdir().unwrap();
        let mut source = open(&server.account(password_of(folder.path()))).unwrap();
        let mut ended = None;
        let memory = allocation_counter::measure(|| ended = Some(source.next_batch()));
        assert!(memory.bytes_max < 4 << 20, "{} bytes", memory.bytes_max);
        let fault = fault(ended.unwrap().unwrap_err());
        assert!(matches!(fault, Fault::TooMuch { .. } | Fault::NotUnderstood { .. }), "{fault:?}");
    }
}

#[test]
fn asks_again_in_each_pass_for_a_message_that_is_listed_and_not_given() {
    let server = script::imap(|command| match command {
        _ if command.starts_with("UID FETCH") => Reply::No("[SERVERBUG] it is broken"),
        _ if command.starts_with("UID SEARCH") => Reply::Ok(b"* SEARCH 7\r\n".to_vec()),
        _ => script::usual(command),
    });
    let folder = tempfile::tempdir().unwrap();
    let mut source = open(&server.account(password_of(folder.path()))).unwrap();
    for _ in 0..2 {
        let batches = pass(&mut source);
        assert_eq!(messages(&batches).len(), 0);
        let unreadable: Vec<String> =
            batches.iter().flat_map(|batch| &batch.unreadable).map(ToString::to_string).collect();
        assert_eq!(
            unreadable,
            [
                "mailbox rua: message 7 in folder INBOX cannot be read: the server lists it and does not give it"
            ]
        );
        assert_eq!(cursor(&batches).next_uid, 7, "it is not settled");
    }
}

// ---- Waiting

#[test]
fn wakes_when_mail_comes_and_when_it_is_asked_to_stop() {
    let Some(server) = dovecot::start() else { return };
    let mut source = open(&server.account()).unwrap();
    pass(&mut source);
    for number in 1..=3 {
        thread::scope(|scope| {
            let waiting = scope.spawn(|| source.wait(Duration::from_mins(10), &NEVER).unwrap());
            server.deliver(&number.to_string(), &message(number));
            assert_eq!(waiting.join().unwrap(), Wake::Mail);
        });
        assert_eq!(uids(&pass(&mut source)), [u32::try_from(number).unwrap()]);
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| source.wait(Duration::from_mins(10), &stop).unwrap());
        stop.store(true, Ordering::Relaxed);
        let asked = Instant::now();
        assert_eq!(waiting.join().unwrap(), Wake::Stopped);
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    });
    server.deliver("last", &message(4));
    assert_eq!(uids(&pass(&mut source)), [4], "the connection is as good as before");
}

#[test]
fn waits_in_idle_and_by_polling_without_work() {
    for more in ["", POOR] {
        let Some(server) = dovecot::start_with(&["localhost"], more) else { return };
        server.deliver_many(3);
        let mut source = open(&server.account()).unwrap();
        pass(&mut source);
        let (before, begun) = (cpu(), Instant::now());
        assert_eq!(source.wait(Duration::from_secs(3), &NEVER).unwrap(), Wake::Elapsed);
        let (used, waited) = (cpu().saturating_sub(before), begun.elapsed());
        assert!(waited >= Duration::from_secs(3), "{waited:?}");
        assert!(used * 20 < waited, "{used:?} of {waited:?}");
        server.deliver("new", &message(9));
        assert_eq!(source.wait(Duration::from_mins(1), &NEVER).unwrap(), Wake::Mail);
    }
}

#[test]
fn hears_of_mail_that_comes_between_looking_and_waiting() {
    // The server mentions the new message in its answer to the look, and never again.
    let server = script::imap(|command| match command {
        "CAPABILITY" => Reply::Ok(b"* CAPABILITY IMAP4rev1 IDLE\r\n".to_vec()),
        "FETCH 1 (UID)" => Reply::Ok(b"* 1 FETCH (UID 7)\r\n* 2 EXISTS\r\n".to_vec()),
        "IDLE" => Reply::Raw("* OK before\r\n+ idling\r\n"),
        _ => script::usual(command),
    });
    let folder = tempfile::tempdir().unwrap();
    let mut source = open(&server.account(password_of(folder.path()))).unwrap();
    pass(&mut source);
    assert_eq!(source.wait(Duration::from_mins(10), &NEVER).unwrap(), Wake::Mail);
    assert_eq!(server.count("IDLE"), 1);
}

#[test]
fn asks_a_server_that_announces_what_never_comes_once_a_second() {
    let server = script::imap(|command| match command {
        "CAPABILITY" => Reply::Ok(b"* CAPABILITY IMAP4rev1 IDLE\r\n".to_vec()),
        "IDLE" => Reply::Raw("+ idling\r\n* 2 EXISTS\r\n"),
        _ => script::usual(command),
    });
    let folder = tempfile::tempdir().unwrap();
    let mut source = open(&server.account(password_of(folder.path()))).unwrap();
    let (begun, before) = (Instant::now(), cpu());
    for _ in 0..4 {
        source.next_batch().unwrap();
        assert_eq!(source.wait(Duration::from_mins(10), &NEVER).unwrap(), Wake::Mail);
    }
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(cpu().saturating_sub(before) < Duration::from_millis(200));
}

// ---- Checking

#[test]
fn says_what_can_be_done_with_a_mailbox_without_a_trace() {
    let Some(server) = dovecot::start_with(&["localhost"], UIDPLUS) else { return };
    server.deliver_many(3);
    let account = Account {
        folders: vec!["INBOX".to_owned(), "Nope".to_owned()],
        after: After::Move("Archive".to_owned()),
        ..server.account()
    };
    let lines = ImapSource::probe(&account, &ImapOptions::default());
    let found: Vec<(&str, Verdict)> =
        lines.iter().map(|line| (line.subject.as_str(), line.verdict)).collect();
    let expected = [
        ("connection", Verdict::Good),
        ("login", Verdict::Good),
        ("IDLE", Verdict::Note),
        ("MOVE", Verdict::Note),
        ("UIDPLUS", Verdict::Good),
        ("folder INBOX", Verdict::Good),
        ("folder Nope", Verdict::Bad),
        ("folder Archive", Verdict::Note),
    ];
    assert_eq!(found, expected, "{lines:#?}");
    assert!(lines[0].finding.ends_with(", TLS 1.3"), "{lines:#?}");
    assert_eq!(lines[5].finding, "3 messages");
    assert_eq!(server.untouched(), 3);
}
