//! `dmarc report`: all findings as one page to keep, send or print.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::Output;
use crate::commands::question::Asked;
use crate::error::{CommandError, Kind};
use crate::render::html;
use crate::render::text::Neutral;

/// The longest name shown, in characters.
const WIDTH: usize = 200;
/// Who may read and write a new file, before the mask of the user.
const MODE: u32 = 0o666;

/// `dmarc report --html FILE PATH…`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The page needs nothing else: it loads nothing and runs nothing. Without a configuration every domain is taken for one's own, no mail is verified and no host is known by name."
)]
pub(crate) struct Options {
    #[command(flatten)]
    asked: Asked,

    /// Write a page of HTML to this file, whole or not at all; `-` writes to standard output
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    html: PathBuf,
}

impl Options {
    pub(crate) fn run(self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let (evidence, ended) = self.asked.gather(output)?;
        let page = html::page(&evidence.find(&|_| {})?, evidence.inputs());
        if self.html == Path::new("-") {
            let written = output.out.write_all(page.as_bytes()).and_then(|()| output.out.flush());
            written.map_err(CommandError::output)?;
        } else {
            replace(&self.html, page.as_bytes()).map_err(|error| self.failed(error))?;
            let name = self.html.to_string_lossy();
            // Standard error may be closed; the page is there all the same.
            drop(writeln!(output.err, "Wrote {}.", Neutral::new(&name, WIDTH)));
        }
        ended
    }

    fn failed(&self, error: io::Error) -> CommandError {
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        let file = self.html.display();
        let error = anyhow::Error::new(error).context(format!("{file}: the page cannot be written"));
        let error = CommandError::new(Kind::Unreachable, error);
        if is_missing { error.hint("its folder is not there: make it first") } else { error }
    }
}

/// Writes a file whole or not at all: readers see what was there before, or all of `content`. What is no file, such as
/// a pipe, is written to as it is.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    // Through a link, what it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&path).is_ok_and(|there| !there.is_file()) {
        return File::options().write(true).open(&path)?.write_all(content);
    }
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".dmarc-").permissions(Permissions::from_mode(MODE));
    // The whole error has the temporary name in it, which tells nobody anything.
    let mut file = builder.tempfile_in(folder).map_err(|error| io::Error::from(error.kind()))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}
