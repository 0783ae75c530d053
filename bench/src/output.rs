//! What a run writes: figures, line by line, to the standard output, and for people how far it is.

use std::io::{self, Write as _};

use anyhow::Result;

use crate::figure::Line;

/// Tells how far the run is.
pub(crate) fn progress(what: &str) {
    eprintln!("bench: {what}");
}

/// Writes a line of the result.
pub(crate) fn emit(line: &Line) -> Result<()> {
    let mut output = io::stdout().lock();
    serde_json::to_writer(&mut output, line)?;
    writeln!(output)?;
    output.flush()?;
    Ok(())
}
