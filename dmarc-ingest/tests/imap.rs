//! Mailboxes on a real Dovecot, over real connections that are cut, stalled and lied on.

#![expect(clippy::unwrap_used, reason = "a test may stop at what should not be")]

mod support;

use dmarc_ingest::source::imap::{Account, ImapOptions, ImapSource};
use dmarc_ingest::source::{Batch, Content, Cursor, Message, MessageSource, SourceError};

use support::dovecot::{self, message};

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

fn read(account: &Account) -> Vec<Batch> {
    pass(&mut open(account).unwrap())
}

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
        let cursor = batches.last().unwrap().cursor.as_ref().unwrap();
        assert_eq!((cursor.folder.as_str(), cursor.next_uid), ("INBOX", 1201));
        assert!(batches.iter().all(|batch| batch.unreadable.is_empty()));
    }
}
