//! What `dmarc check` says about a mailbox, found out without leaving a trace in it.

use super::ImapOptions;
use super::account::{Account, After};
use super::fault::Fault;
use super::login;
use super::session::{Access, Session};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckLine {
    /// What.
    pub subject: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, and what to do about it.
    pub finding: String,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, with less.
    Note,
    /// It does not work.
    Bad,
}

/// Connects, logs in and looks at each folder (EXAMINE). The first failure that leaves no more to see ends it.
pub(super) fn probe(account: &Account, options: &ImapOptions) -> Vec<CheckLine> {
    let mut lines = Vec::new();
    if let Err(fault) = look(account, options, &mut lines) {
        lines.push(bad("mailbox", &fault));
    }
    lines
}

fn look(account: &Account, options: &ImapOptions, lines: &mut Vec<CheckLine>) -> Result<(), Fault> {
    let mut session = Session::connect(account)?;
    lines.push(line("connection", Verdict::Good, format!("{}, {}", session.server(), session.privacy())));
    login::login(&mut session, account, &options.tokens)?;
    lines.push(line("login", Verdict::Good, format!("as {}", account.user)));
    lines.extend(abilities(&session, &account.after));
    for folder in &account.folders {
        let subject = format!("folder {folder}");
        match session.select(folder, Access::Read) {
            Ok(selected) => {
                lines.push(line(&subject, Verdict::Good, format!("{} messages", selected.exists)));
            }
            Err(fault @ Fault::Folder { .. }) => lines.push(bad(&subject, &fault)),
            Err(fault) => return Err(fault),
        }
    }
    if let After::Move(target) = &account.after {
        let subject = format!("folder {target}");
        let found = match session.select(target, Access::Read) {
            Ok(_) => line(&subject, Verdict::Good, "messages can be moved there".to_owned()),
            Err(Fault::Folder { .. }) => line(&subject, Verdict::Note, "will be created".to_owned()),
            Err(fault) => return Err(fault),
        };
        lines.push(found);
    }
    session.logout();
    Ok(())
}

fn abilities(session: &Session, after: &After) -> Vec<CheckLine> {
    let has_all = session.can("IMAP4REV2");
    let mut lines =
        vec![ability(has_all || session.can("IDLE"), "IDLE", "new mail is seen at the next poll only")];
    if matches!(after, After::Move(_)) {
        lines.push(ability(has_all || session.can("MOVE"), "MOVE", "messages are copied and then deleted"));
    }
    if matches!(after, After::Move(_) | After::Delete) {
        let without = "deleted messages are only flagged: expunge them with a mail program";
        lines.push(ability(has_all || session.can("UIDPLUS"), "UIDPLUS", without));
    }
    lines
}

fn ability(has: bool, name: &str, without: &str) -> CheckLine {
    if has {
        line(name, Verdict::Good, "the server has it".to_owned())
    } else {
        line(name, Verdict::Note, format!("the server does not have it: {without}"))
    }
}

fn bad(subject: &str, fault: &Fault) -> CheckLine {
    let mut finding = fault.to_string();
    if let Some(source) = std::error::Error::source(fault) {
        finding = format!("{finding}: {source}");
    }
    line(subject, Verdict::Bad, finding)
}

fn line(subject: &str, verdict: Verdict, finding: String) -> CheckLine {
    CheckLine { subject: subject.to_owned(), verdict, finding }
}
