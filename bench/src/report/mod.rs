//! Reads what was measured, and makes tables, a document and plots of it.

mod document;
mod format;
mod plot;
mod results;
mod tables;
mod targets;

use std::{fs, io, path::PathBuf};

use anyhow::{Context as _, Result};

use results::Results;
use tables::Style;

/// What to make.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Write all of it as one JSON document.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a plot of each workload.
    #[arg(long, value_name = "FOLDER")]
    svg: Option<PathBuf>,
    /// Print the tables in Markdown.
    #[arg(long)]
    markdown: bool,
}

/// Reads lines of JSON from the standard input, and prints tables.
pub(crate) fn report(options: &Options) -> Result<()> {
    let results = Results::read(io::stdin().lock())?;
    if let Some(path) = &options.json {
        let document = serde_json::to_string_pretty(&document::of(&results))?;
        fs::write(path, document + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(folder) = &options.svg {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        plot::all(&results, folder)?;
    }
    let style = if options.markdown {
        Style::Markdown
    } else {
        Style::Terminal
    };
    print!("{}", tables::all(&results, style));
    Ok(())
}
