//! `dmarc init`: a commented configuration to begin with.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use dmarc_core::Domain;
use dmarc_ingest::config::{Suggestions, template};

use crate::Output;
use crate::error::{CommandError, Kind};
use crate::render::text::Neutral;

/// The folder of a dataset that belongs to the host.
const SYSTEM_DATA: &str = "/var/lib/dmarc";
/// The longest path shown, in characters.
const WIDTH: usize = 200;
/// The longest host name that is looked at, in bytes.
const MAX_NAME: u64 = 255;

/// `dmarc init [FILE]`
#[derive(Debug, clap::Args)]
#[command(after_help = "Nothing is asked, and a file that is there is never overwritten.")]
pub(crate) struct Options {
    /// Where to write it; `-` is standard output
    #[arg(value_name = "FILE", default_value = "dmarc.toml", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let data = data_folder(|name| std::env::var_os(name).map(PathBuf::from));
        let domain = own_name().as_deref().and_then(domain_of);
        let suggestions = Suggestions { data: data.as_deref(), domain: domain.as_deref() };
        if self.file == Path::new("-") {
            return output.out.write_all(template(suggestions).as_bytes()).map_err(CommandError::output);
        }
        write_new(&self.file, &template(suggestions)).map_err(|error| self.failed(error))?;
        self.tell(&suggestions, output).map_err(CommandError::output)
    }

    fn failed(&self, error: io::Error) -> CommandError {
        let file = self.file.display();
        match error.kind() {
            io::ErrorKind::AlreadyExists => CommandError::new(
                Kind::Usage,
                anyhow::anyhow!("{file}: there is a file already, and it is left as it is"),
            )
            .hint("name another one: dmarc init FILE"),
            kind => {
                let error = CommandError::new(
                    Kind::Unreachable,
                    anyhow::Error::new(error).context(format!("{file}: the configuration cannot be written")),
                );
                match kind {
                    io::ErrorKind::NotFound => error.hint("its folder is not there: make it first"),
                    _ => error,
                }
            }
        }
    }

    fn tell(&self, suggestions: &Suggestions<'_>, output: &mut Output<'_>) -> io::Result<()> {
        let file = self.file.to_string_lossy();
        writeln!(
            output.err,
            "Wrote {}: every key with its default, as a comment.",
            Neutral::new(&file, WIDTH)
        )?;
        if let Some(data) = suggestions.data.map(Path::to_string_lossy) {
            writeln!(output.err, "  The dataset will be in {}.", Neutral::new(&data, WIDTH))?;
        }
        if let Some(domain) = suggestions.domain {
            writeln!(output.err, "  {domain} may be your domain: look at [owner].")?;
        }
        Ok(())
    }
}

/// Writes a file that its owner alone may read, and that was not there; half of one is not left behind.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // What is told is why it could not be written.
        drop(std::fs::remove_file(path));
    }
    written
}

/// Where this user may keep a dataset: the folder of the host for root and who may write into it, else one of his own.
fn data_folder(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let system = PathBuf::from(SYSTEM_DATA);
    if rustix::process::geteuid().is_root() || is_writable(&system) {
        return Some(system);
    }
    own_folder(variable)
}

/// A relative path in these variables is to be ignored, says the XDG Base Directory Specification.
fn own_folder(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    let home = || absolute("HOME").map(|home| home.join(".local/share"));
    absolute("XDG_DATA_HOME").or_else(home).map(|data| data.join("dmarc"))
}

fn is_writable(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok() && folder.is_dir()
}

/// The name of this host, with its domain if it says so.
fn own_name() -> Option<String> {
    let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if node.contains('.') { Some(node) } else { name_in_file(Path::new("/etc/hostname")) }
}

fn name_in_file(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    io::read_to_string(io::Read::take(file, MAX_NAME)).ok()
}

/// The organizational domain of a host, if it has one that others know.
fn domain_of(host: &str) -> Option<String> {
    let host = Domain::new(host);
    let domain = host.organizational();
    let is_public =
        !["localdomain", "local", "internal", "lan", "home", "localhost", "arpa", "invalid", "test"]
            .iter()
            .any(|end| domain.ends_with(end));
    (host.is_host_name() && domain.contains('.') && is_public).then(|| domain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_domain_of_a_host_that_has_a_public_one() {
        assert_eq!(domain_of("mail.example.co.uk\n").as_deref(), Some("example.co.uk"));
        assert_eq!(domain_of("Example.ORG").as_deref(), Some("example.org"));
        for host in ["", "laptop", "a.localdomain", "printer.local", "ip-10-0-0-1.ec2.internal", "a b.org"] {
            assert_eq!(domain_of(host), None, "{host}");
        }
    }

    #[test]
    fn suggests_a_folder_of_the_user() {
        let folder = |data: &str, home: &str| {
            own_folder(|name| Some(PathBuf::from(if name == "HOME" { home } else { data })))
        };
        assert_eq!(folder("/data", "/home/a"), Some("/data/dmarc".into()));
        assert_eq!(folder("data", "/home/a"), Some("/home/a/.local/share/dmarc".into()));
        assert_eq!(folder("", ""), None);
    }
}
