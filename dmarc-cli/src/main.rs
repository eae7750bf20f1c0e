//! The `dmarc` command.

use std::io::{self, BufWriter};
use std::process::ExitCode;

use dmarc_cli::render::Screen;

fn main() -> ExitCode {
    dmarc_cli::name_panics_only();
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    ExitCode::from(dmarc_cli::run(std::env::args_os(), &mut out, &mut io::stderr(), Screen::of_stdout()))
}
