//! One connection with the state that the protocol gives it: what the server can do, which folder is open.

use std::time::Duration;

use super::account::{Account, Tls};
use super::fault::{Fault, neutral};
use super::name;
use super::response::{Fetch, StatusText, Untagged};
use super::wire::{Bounds, Wire};

/// Responses that are read at most after LOGOUT.
const GOODBYE_RESPONSES: usize = 100;

/// A connection with an open folder, or none.
pub(super) struct Session {
    wire: Wire,
    capabilities: Vec<String>,
    selected: Option<Selected>,
}

/// The folder that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selected {
    /// Its name, decoded.
    pub(super) folder: String,
    /// Whether nothing can be changed in it.
    pub(super) access: Access,
    /// Its UIDVALIDITY.
    pub(super) uid_validity: u32,
    /// How many messages are in it by now.
    pub(super) exists: u32,
    /// Whether there have been more since it was opened.
    pub(super) has_grown: bool,
}

/// Whether a folder may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// EXAMINE: nothing changes, not even `\Recent`.
    Read,
    /// SELECT.
    Write,
}

/// Hears of a message, and how long a literal was that is not in the response.
pub(super) type OnFetch<'f> = dyn FnMut(Fetch<'_>, Option<u64>) + 'f;

impl Session {
    /// Connects, under TLS where that is wanted; nobody is logged in.
    pub(super) fn connect(account: &Account) -> Result<Self, Fault> {
        let mut session = Self { wire: Wire::connect(account)?, capabilities: Vec::new(), selected: None };
        session.greeting()?;
        if account.tls == Tls::StartTls {
            session = session.start_tls(account)?;
        }
        session.ask_capabilities()?;
        Ok(session)
    }

    /// Whether the server can do this.
    pub(super) fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|has| has == capability)
    }

    /// The folder that is open.
    pub(super) fn selected(&self) -> Option<&Selected> {
        self.selected.as_ref()
    }

    /// The connection itself.
    pub(super) fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Host and port.
    pub(super) fn server(&self) -> String {
        self.wire.server().to_owned()
    }

    /// The version of TLS, in words.
    pub(super) fn privacy(&self) -> String {
        self.wire.privacy()
    }

    /// Opens a folder.
    pub(super) fn select(&mut self, folder: &str, access: Access) -> Result<Selected, Fault> {
        let verb = match access {
            Access::Read => "EXAMINE",
            Access::Write => "SELECT",
        };
        let failed = |answer: String| Fault::Folder { folder: folder.to_owned(), answer };
        self.selected = None;
        let tag = self.send(&format!("{verb} {}", name::folder(folder)))?;
        let (mut exists, mut uid_validity) = (0, None);
        let answer = self.answer(&tag, &mut |untagged, _| match untagged {
            Untagged::Exists(number) => exists = number,
            Untagged::Status(status) => uid_validity = status.code_number("UIDVALIDITY").or(uid_validity),
            _ => {}
        })?;
        if !answer.is_ok() {
            return Err(failed(answer.shown()));
        }
        let uid_validity = uid_validity
            .filter(|validity| *validity > 0)
            .ok_or_else(|| failed("the server gives it no UIDVALIDITY".to_owned()))?;
        let selected = Selected { folder: folder.to_owned(), access, uid_validity, exists, has_grown: false };
        self.selected = Some(selected.clone());
        Ok(selected)
    }

    /// Runs a command that must succeed; its name is for messages.
    pub(super) fn run(&mut self, name: &'static str, command: &str) -> Result<StatusText, Fault> {
        let answer = self.try_run(command)?;
        if answer.is_ok() { Ok(answer) } else { Err(self.refused(name, &answer)) }
    }

    /// Runs a command that may be refused.
    pub(super) fn try_run(&mut self, command: &str) -> Result<StatusText, Fault> {
        let tag = self.send(command)?;
        self.answer(&tag, &mut |_, _| {})
    }

    /// Runs a FETCH that may be refused.
    pub(super) fn fetch(
        &mut self,
        command: &str,
        bounds: Bounds,
        on_fetch: &mut OnFetch<'_>,
    ) -> Result<StatusText, Fault> {
        let tag = self.wire.send(command, bounds)?;
        self.answer(&tag, &mut |untagged, left_out| {
            if let Untagged::Fetch(fetch) = untagged {
                on_fetch(fetch, left_out);
            }
        })
    }

    /// Those of the messages in `set` that are there and fulfil `condition`.
    pub(super) fn search(&mut self, set: &str, condition: &str) -> Result<Vec<u32>, Fault> {
        let tag = self.send(&format!("UID SEARCH UID {set}{condition}"))?;
        let mut found = Vec::new();
        let answer = self.answer(&tag, &mut |untagged, _| {
            if let Untagged::Search(mut uids) = untagged {
                found.append(&mut uids);
            }
        })?;
        if answer.is_ok() { Ok(found) } else { Err(self.refused("UID SEARCH", &answer)) }
    }

    /// Whether there is a folder of this name (or one like it, if the name has wildcards in it).
    pub(super) fn has_folder(&mut self, folder: &str) -> Result<bool, Fault> {
        let tag = self.send(&format!("LIST \"\" {}", name::folder(folder)))?;
        let mut found = false;
        let answer = self.answer(&tag, &mut |untagged, _| found |= untagged == Untagged::List)?;
        if answer.is_ok() { Ok(found) } else { Err(self.refused("LIST", &answer)) }
    }

    /// Sends a command; the tag of its answer.
    pub(super) fn send(&mut self, command: &str) -> Result<String, Fault> {
        self.wire.send(command, Bounds::default())
    }

    /// Reads up to the end of the answer.
    pub(super) fn answer(
        &mut self,
        tag: &str,
        on_untagged: &mut dyn FnMut(Untagged<'_>, Option<u64>),
    ) -> Result<StatusText, Fault> {
        loop {
            let response = self.wire.read()?;
            if let Some(answer) = response.tagged(tag) {
                if let Some(capabilities) = answer.capabilities() {
                    self.capabilities = capabilities;
                }
                return Ok(answer);
            }
            let left_out = response.left_out;
            match response.untagged() {
                Some(untagged) => {
                    self.note(&untagged)?;
                    on_untagged(untagged, left_out);
                }
                None => return Err(self.wire.not_understood("neither an untagged response nor the answer")),
            }
        }
    }

    /// Reads up to the request to continue, or the end of the answer.
    pub(super) fn continuation(&mut self, tag: &str) -> Result<Result<Vec<u8>, StatusText>, Fault> {
        loop {
            let response = self.wire.read()?;
            if let Some(answer) = response.tagged(tag) {
                if let Some(capabilities) = answer.capabilities() {
                    self.capabilities = capabilities;
                }
                return Ok(Err(answer));
            }
            if let Some(text) = response.continuation() {
                return Ok(Ok(text.to_vec()));
            }
            match response.untagged() {
                Some(untagged) => self.note(&untagged)?,
                None => return Err(self.wire.not_understood("neither an untagged response nor the answer")),
            }
        }
    }

    /// Reads one untagged response outside of any command.
    pub(super) fn unasked(&mut self) -> Result<(), Fault> {
        let response = self.wire.read()?;
        match response.untagged() {
            Some(untagged) => self.note(&untagged),
            None => Err(self.wire.not_understood("an answer to no command")),
        }
    }

    /// Asks what the server can do; the answer may differ after the login.
    pub(super) fn ask_capabilities(&mut self) -> Result<(), Fault> {
        self.run("CAPABILITY", "CAPABILITY").map(drop)
    }

    /// Says goodbye. The answer is not important.
    pub(super) fn logout(mut self) {
        self.wire.hurry(Duration::from_secs(2));
        if let Ok(tag) = self.send("LOGOUT") {
            let is_more = |wire: &mut Wire| wire.read().is_ok_and(|response| response.tagged(&tag).is_none());
            let _answered = (0..GOODBYE_RESPONSES).all(|_| is_more(&mut self.wire));
        }
    }

    pub(super) fn refused(&self, command: &'static str, answer: &StatusText) -> Fault {
        Fault::Refused { server: self.server(), command, answer: answer.shown() }
    }

    fn greeting(&mut self) -> Result<(), Fault> {
        let response = self.wire.read()?;
        let Some(Untagged::Status(greeting)) = response.untagged() else {
            return Err(self.wire.not_understood("it does not greet as an IMAP server does"));
        };
        match greeting.status.as_str() {
            "OK" => Ok(()),
            // Before TLS that would be anyone, and with another user it would be another mailbox (RFC 9051, 11.1).
            "PREAUTH" => Err(self.wire.insecure("the server says that someone is logged in already")),
            _ => Err(Fault::Bye { server: self.server(), answer: greeting.shown() }),
        }
    }

    /// RFC 9051, Section 6.2.1: nothing that was said before TLS is believed after it.
    fn start_tls(mut self, account: &Account) -> Result<Self, Fault> {
        self.ask_capabilities()?;
        if !self.can("STARTTLS") {
            return Err(self.wire.insecure("the server does not offer STARTTLS"));
        }
        let answer = self.try_run("STARTTLS")?;
        if !answer.is_ok() {
            return Err(self.wire.insecure("the server refuses STARTTLS"));
        }
        Ok(Self { wire: self.wire.secure(account)?, capabilities: Vec::new(), selected: None })
    }

    fn note(&mut self, untagged: &Untagged<'_>) -> Result<(), Fault> {
        match untagged {
            Untagged::Capability(capabilities) => self.capabilities.clone_from(capabilities),
            Untagged::Status(status) if status.status == "BYE" => {
                return Err(Fault::Bye { server: self.server(), answer: neutral(&status.shown()) });
            }
            Untagged::Exists(number) => {
                if let Some(selected) = &mut self.selected {
                    selected.has_grown |= *number > selected.exists;
                    selected.exists = *number;
                }
            }
            Untagged::Expunge(_) => {
                if let Some(selected) = &mut self.selected {
                    selected.exists = selected.exists.saturating_sub(1);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
