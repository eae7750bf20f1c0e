//! A table of host names: address ⇥ name ⇥ `confirmed` or `unconfirmed`, one a line.
//!
//! A line without a name says that the address was looked up and has none, which is not the same as no line. Empty
//! lines and lines that begin with `#` are passed over.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::path::Path;

use dmarc_core::Domain;

/// The longest line, in bytes.
const LINE_BYTES: u64 = 4096;

/// Names of hosts by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Hosts(HashMap<IpAddr, Host>);

/// What was found for an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Host {
    /// The name in normal form; empty if the address was looked up and has none.
    pub name: String,
    /// Whether the name leads back to the address (forward-confirmed). Invariant: `false` if there is no name.
    pub confirmed: bool,
}

/// Why a table cannot be used: file, line, what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostsError {
    /// The file is not there or cannot be read.
    #[error("{file}: the table of hosts cannot be read")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line that is not one of the table.
    #[error("{file}:{line}: expected {expected}")]
    BadLine {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What it should be.
        expected: &'static str,
    },
}

impl Hosts {
    /// Reads the table at `path`.
    ///
    /// # Errors
    /// Both kinds of [`HostsError`].
    pub fn load(path: &Path) -> Result<Self, HostsError> {
        match File::open(path) {
            Ok(file) => Self::read(BufReader::new(file), path),
            Err(source) => Err(HostsError::Unreadable { file: path.to_string_lossy().into_owned(), source }),
        }
    }

    /// What was found for `address`; `None` if it is not in the table.
    pub fn get(&self, address: IpAddr) -> Option<&Host> {
        self.0.get(&address.to_canonical())
    }

    /// How many addresses are in the table.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the table has no address.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn read(mut reader: impl BufRead, path: &Path) -> Result<Self, HostsError> {
        let file = || path.to_string_lossy().into_owned();
        let mut hosts = Self::default();
        let mut text = String::new();
        for line in 1.. {
            text.clear();
            let read = (&mut reader).take(LINE_BYTES).read_line(&mut text);
            if read.map_err(|source| HostsError::Unreadable { file: file(), source })? == 0 {
                break;
            }
            hosts.add(&text).map_err(|expected| HostsError::BadLine { file: file(), line, expected })?;
        }
        Ok(hosts)
    }

    fn add(&mut self, line: &str) -> Result<(), &'static str> {
        if line.len() as u64 >= LINE_BYTES {
            return Err("a line of less than 4096 bytes");
        }
        let line = line.trim_end();
        if line.trim_start().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (address, host) = entry(line)?;
        match self.0.insert(address, host) {
            Some(before) if self.0.get(&address) != Some(&before) => {
                Err("every address once: this one had another name before")
            }
            _ => Ok(()),
        }
    }
}

fn entry(line: &str) -> Result<(IpAddr, Host), &'static str> {
    let mut fields = line.split('\t').map(str::trim);
    let address = fields.next().unwrap_or_default();
    let address: IpAddr =
        address.parse().map_err(|_| "an IP address, a tab, a name, a tab, `confirmed` or `unconfirmed`")?;
    let name = Domain::new(fields.next().unwrap_or_default());
    let state = fields.next().unwrap_or_default();
    if fields.next().is_some() {
        return Err("three fields with a tab between them");
    }
    let confirmed = match (name.is_empty(), state) {
        (true, "") | (false, "unconfirmed") => false,
        (false, "confirmed") => true,
        (true, _) => return Err("nothing behind the second tab of an address without a name"),
        (false, _) => return Err("`confirmed` or `unconfirmed` in the third field"),
    };
    Ok((address.to_canonical(), Host { name: name.as_str().to_owned(), confirmed }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Hosts, String> {
        Hosts::read(text.as_bytes(), Path::new("ptr.tsv")).map_err(|error| error.to_string())
    }

    #[test]
    fn tells_no_name_from_not_looked_up() {
        let hosts = read(
            "# made by hand\n\n192.0.2.1\tMail.Example.Org.\tconfirmed\n192.0.2.2\tx.example\tunconfirmed\r\n\
             192.0.2.3\t\t\n192.0.2.4\n2001:db8::1\tv6.example\tconfirmed\n",
        )
        .unwrap();
        let get =
            |text: &str| hosts.get(text.parse().unwrap()).map(|host| (host.name.as_str(), host.confirmed));
        assert_eq!(get("192.0.2.1"), Some(("mail.example.org", true)));
        assert_eq!(get("::ffff:192.0.2.1"), Some(("mail.example.org", true)));
        assert_eq!(get("192.0.2.2"), Some(("x.example", false)));
        assert_eq!(get("192.0.2.3"), Some(("", false)));
        assert_eq!(get("192.0.2.4"), Some(("", false)));
        assert_eq!(get("2001:db8:0::1"), Some(("v6.example", true)));
        assert_eq!(get("192.0.2.5"), None);
        assert_eq!(hosts.len(), 5);
    }

    #[test]
    fn names_file_and_line_of_what_it_cannot_read() {
        for (text, error) in [
            (
                "\n192.0.2\tx\tconfirmed\n",
                "ptr.tsv:2: expected an IP address, a tab, a name, a tab, `confirmed` or `unconfirmed`",
            ),
            ("192.0.2.1\tx\tmaybe\n", "ptr.tsv:1: expected `confirmed` or `unconfirmed` in the third field"),
            (
                "192.0.2.1\t\tconfirmed\n",
                "ptr.tsv:1: expected nothing behind the second tab of an address without a name",
            ),
            (
                "192.0.2.1\ta\tconfirmed\n192.0.2.1\tb\tconfirmed\n",
                "ptr.tsv:2: expected every address once: this one had another name before",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), error);
        }
        assert!(read(&"x".repeat(10_000)).unwrap_err().starts_with("ptr.tsv:1: expected a line"));
    }

    #[test]
    fn takes_the_same_line_twice() {
        assert_eq!(read("192.0.2.1\ta\tconfirmed\n192.0.2.1\ta\tconfirmed\n").unwrap().len(), 1);
    }
}
