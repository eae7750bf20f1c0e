//! Which certificates are trusted, and the handshake. Verification cannot be switched off.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// A client configuration that trusts the certificates in `ca_file`, or else those of the system.
pub(super) fn config(ca_file: Option<&Path>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            for certificate in from_file(path)? {
                roots.add(certificate).map_err(|error| named(path, &error))?;
            }
        }
        // Single certificates of a system that are unusable are passed over; none at all is an error.
        None => drop(roots.add_parsable_certificates(of_the_system()?)),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The client's side of a connection with `host`, a name or an address.
pub(super) fn client(config: Arc<ClientConfig>, host: &str) -> io::Result<ClientConnection> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    ClientConnection::new(config, name).map_err(io::Error::other)
}

/// The certificates that the system trusts; there is at least one.
pub(super) fn of_the_system() -> io::Result<Vec<CertificateDer<'static>>> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let reason = found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
        return Err(io::Error::other(format!("certificates of the system: {reason}")));
    }
    Ok(found.certs)
}

fn from_file(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| named(path, &error))?;
    if certificates.is_empty() {
        return Err(named(path, &"no certificate (PEM) in it"));
    }
    Ok(certificates)
}

fn named(path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}
