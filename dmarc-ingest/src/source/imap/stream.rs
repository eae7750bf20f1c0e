//! A connection that is private or local, every operation on it bounded in time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use super::account::{Account, Tls};
use super::fault::Fault;
use super::tls;

/// The bytes to and from a server.
pub(super) enum Stream {
    /// In the clear: before STARTTLS, or to a loopback address.
    Plain(TcpStream),
    /// Under TLS.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Connects with the first address of the server that answers, under TLS where that is implicit.
    pub(super) fn connect(account: &Account) -> Result<Self, Fault> {
        let server = server(account);
        let addresses: Vec<SocketAddr> = (account.host.as_str(), account.port)
            .to_socket_addrs()
            .map_err(|source| Fault::NoAddress { server: server.clone(), source })?
            .collect();
        if account.tls == Tls::None
            && !addresses.iter().all(|address| address.ip().to_canonical().is_loopback())
        {
            let reason = "without TLS only a loopback address is talked to";
            return Err(Fault::Insecure { server, reason });
        }
        let socket = open(&addresses, account.timeout)
            .map_err(|source| Fault::Unreachable { server: server.clone(), source })?;
        match account.tls {
            Tls::Implicit => Self::Plain(socket).secure(account),
            Tls::StartTls | Tls::None => Ok(Self::Plain(socket)),
        }
    }

    /// Puts TLS on the connection.
    pub(super) fn secure(self, account: &Account) -> Result<Self, Fault> {
        let Self::Plain(mut socket) = self else { return Ok(self) };
        let config = tls::config(account.ca_file.as_deref()).map_err(Fault::Roots)?;
        let failed = |source| Fault::Tls { server: server(account), source };
        let mut client = tls::client(config, &account.host).map_err(failed)?;
        while client.is_handshaking() {
            client.complete_io(&mut socket).map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    Fault::TimedOut { server: server(account), seconds: account.timeout.as_secs() }
                }
                _ => failed(error),
            })?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(client, socket))))
    }

    /// How long the next reads wait.
    pub(super) fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.socket().set_read_timeout(Some(timeout))
    }

    /// The version of TLS, in words.
    pub(super) fn privacy(&self) -> String {
        match self {
            Self::Plain(_) => "none, the server is this machine".to_owned(),
            Self::Tls(stream) => match stream.conn.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3".to_owned(),
                Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2".to_owned(),
                other => format!("{other:?}"),
            },
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Host and port, for messages.
pub(super) fn server(account: &Account) -> String {
    format!("{}:{}", account.host, account.port)
}

fn open(addresses: &[SocketAddr], timeout: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(address, timeout) {
            Ok(socket) => {
                socket.set_read_timeout(Some(timeout))?;
                socket.set_write_timeout(Some(timeout))?;
                socket.set_nodelay(true)?;
                // A peer that is gone without a word is found out between two IDLE commands.
                rustix::net::sockopt::set_socket_keepalive(&socket, true)?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
