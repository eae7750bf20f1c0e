//! Servers that say what they are told to: hostile ones, and a token endpoint.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use dmarc_ingest::source::imap::{Account, After, Login, Tls};

/// A server in the clear on loopback.
pub(crate) struct Script {
    pub(crate) port: u16,
    /// The lines of its clients, without tags.
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
}

/// An IMAP server that answers a command (without its tag, in capitals as sent) with these bytes and then `OK`, or
/// hangs up after it has answered as well as it wants to.
pub(crate) fn imap(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Script {
    serve(move |mut stream, heard| {
        stream.write_all(b"* OK ready\r\n")?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let mut last = String::new();
        while let Some(Ok(line)) = lines.next() {
            let (tag, command) = line.split_once(' ').unwrap_or((&last, &line));
            heard.lock().unwrap().push(command.to_owned());
            match answer(command) {
                Reply::Ok(bytes) => {
                    stream.write_all(&bytes)?;
                    stream.write_all(format!("{tag} OK done\r\n").as_bytes())?;
                }
                Reply::No(text) => stream.write_all(format!("{tag} NO {text}\r\n").as_bytes())?,
                Reply::Raw(text) => stream.write_all(text.as_bytes())?,
                Reply::HangUp(text) => return stream.write_all(text.as_bytes()),
            }
            last = tag.to_owned();
        }
        Ok(())
    })
}

/// How a command is answered.
pub(crate) enum Reply {
    Ok(Vec<u8>),
    No(&'static str),
    /// Just this, without the end of an answer.
    Raw(&'static str),
    HangUp(&'static str),
}

/// What any server says to the first commands: a folder with one message, whose UID is 7.
pub(crate) fn usual(command: &str) -> Reply {
    let text = match command.split(' ').next().unwrap() {
        "CAPABILITY" => "* CAPABILITY IMAP4rev1\r\n",
        "SELECT" | "EXAMINE" => "* 1 EXISTS\r\n* NO strange\r\n* OK [UIDVALIDITY 3] ok\r\n",
        "FETCH" => "* 1 FETCH (UID 7 RFC822.SIZE 10 INTERNALDATE \"07-Feb-2026 01:02:03 +0000\")\r\n",
        _ => "",
    };
    Reply::Ok(text.as_bytes().to_vec())
}

/// An HTTP server that answers a request (its first line, and its body) with a status and a body.
pub(crate) fn http(answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static) -> Script {
    serve(move |mut stream, heard| {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? <= 2 {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8(body).unwrap();
        heard.lock().unwrap().push(format!("{} {body}", first.trim_end()));
        let (status, text) = answer(&first, &body);
        let length = text.len();
        let head =
            format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n");
        stream.write_all(format!("{head}connection: close\r\n\r\n{text}").as_bytes())
    })
}

impl Script {
    /// A mailbox on this server.
    pub(crate) fn account(&self, login: Login) -> Account {
        Account {
            name: "rua".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: self.port,
            tls: Tls::None,
            ca_file: None,
            user: "dmarc".to_owned(),
            login,
            folders: vec!["INBOX".to_owned()],
            after: After::Keep,
            timeout: Duration::from_secs(5),
            poll: Duration::from_mins(1),
        }
    }

    /// How many commands began with this.
    pub(crate) fn count(&self, command: &str) -> usize {
        self.heard.lock().unwrap().iter().filter(|line| line.starts_with(command)).count()
    }
}

type Heard = Arc<Mutex<Vec<String>>>;

fn serve(talk: impl Fn(TcpStream, &Heard) -> std::io::Result<()> + Send + Sync + 'static) -> Script {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Heard::default();
    let (shared, talk) = (Arc::clone(&heard), Arc::new(talk));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (heard, talk) = (Arc::clone(&shared), Arc::clone(&talk));
            // A client that goes away ends its talk.
            thread::spawn(move || stream.and_then(|stream| talk(stream, &heard)).ok());
        }
    });
    Script { port, heard }
}
