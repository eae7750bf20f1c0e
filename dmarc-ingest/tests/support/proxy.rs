//! A network between a client and a server that misbehaves when it is told to. The bytes in it are real.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A listener whose connections lead to a server.
pub(crate) struct Proxy {
    /// Its port on loopback.
    pub(crate) port: u16,
    faults: Arc<Faults>,
}

/// What goes wrong, now or later.
pub(crate) struct Faults {
    /// After so many bytes of the server nothing passes any more, while the connections stay open.
    stall_after: AtomicU64,
    /// After so many bytes of the server the connections are cut.
    cut_after: AtomicU64,
    passed: AtomicU64,
    /// The clients' ends, and what the servers said.
    clients: Mutex<Vec<TcpStream>>,
    said: Mutex<Vec<u8>>,
    /// What is replaced in the words of the server, which must be in the clear.
    replace: Option<(&'static str, &'static str)>,
    /// How many bytes of the server are passed on at a time.
    piece: usize,
}

impl Proxy {
    /// A way to this port of loopback on which nothing goes wrong so far.
    pub(crate) fn start(to: u16) -> Self {
        Self::replacing(to, None)
    }

    /// A way on which the server's words are changed.
    pub(crate) fn replacing(to: u16, replace: Option<(&'static str, &'static str)>) -> Self {
        Self::with(to, replace, 16 << 10)
    }

    /// A way on which each byte comes alone.
    pub(crate) fn dribbling(to: u16) -> Self {
        Self::with(to, None, 1)
    }

    fn with(to: u16, replace: Option<(&'static str, &'static str)>, piece: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let never = || AtomicU64::new(u64::MAX);
        let faults = Arc::new(Faults {
            stall_after: never(),
            cut_after: never(),
            passed: AtomicU64::new(0),
            clients: Mutex::default(),
            said: Mutex::default(),
            replace,
            piece,
        });
        let shared = Arc::clone(&faults);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect((Ipv4Addr::LOCALHOST, to))) else {
                    return;
                };
                shared.clients.lock().unwrap().push(client.try_clone().unwrap());
                join(client, server, &shared);
            }
        });
        Self { port, faults }
    }

    /// From so many more bytes of the server on nothing passes.
    pub(crate) fn stall_after(&self, bytes: u64) {
        self.faults.stall_after.store(self.passed() + bytes, Ordering::SeqCst);
    }

    /// After so many more bytes of the server its connections are cut.
    pub(crate) fn cut_after(&self, bytes: u64) {
        self.faults.cut_after.store(self.passed() + bytes, Ordering::SeqCst);
    }

    /// Now the servers seem to have closed their ends, and still listen.
    pub(crate) fn half_close(&self) {
        for client in self.faults.clients.lock().unwrap().iter() {
            client.shutdown(Shutdown::Write).unwrap();
        }
    }

    /// Whether a server said this, in the clear.
    pub(crate) fn heard(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.faults.said.lock().unwrap()).contains(text)
    }

    fn passed(&self) -> u64 {
        self.faults.passed.load(Ordering::SeqCst)
    }
}

fn join(client: TcpStream, server: TcpStream, faults: &Arc<Faults>) {
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        // Ends with either connection.
        std::io::copy(&mut from_client, &mut to_server).ok();
        to_server.shutdown(Shutdown::Write).ok();
    });
    let faults = Arc::clone(faults);
    thread::spawn(move || answer(client, server, &faults));
}

/// Passes on what the server says.
fn answer(mut client: TcpStream, mut server: TcpStream, faults: &Faults) {
    client.set_nodelay(true).unwrap();
    let mut buffer = vec![0; faults.piece];
    while let Ok(read) = server.read(&mut buffer) {
        if read == 0 {
            break;
        }
        let mut bytes = buffer[..read].to_vec();
        if let Some((from, to)) = faults.replace {
            bytes = String::from_utf8(bytes).unwrap().replace(from, to).into_bytes();
        }
        faults.said.lock().unwrap().extend_from_slice(&bytes);
        let passed = faults.passed.load(Ordering::SeqCst);
        let left = |at: &AtomicU64| at.load(Ordering::SeqCst).saturating_sub(passed);
        let least = left(&faults.stall_after).min(left(&faults.cut_after));
        let most = usize::try_from(least).unwrap_or(usize::MAX).min(bytes.len());
        if client.write_all(&bytes[..most]).is_err() {
            return;
        }
        faults.passed.fetch_add(most as u64, Ordering::SeqCst);
        if most == bytes.len() {
            continue;
        }
        if left(&faults.cut_after) == least {
            client.shutdown(Shutdown::Both).ok();
            server.shutdown(Shutdown::Both).ok();
            return;
        }
        // Until the server ends, the client hears nothing.
        while server.read(&mut buffer).is_ok_and(|read| read > 0) {}
        return;
    }
    client.shutdown(Shutdown::Write).ok();
}
