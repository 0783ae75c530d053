//! `ipvsadm -R` of a table, and `ipvsadm -Ln` of what it made.

use anyhow::{Result, ensure};

use super::{rounds::rounds, table::Table};
use crate::{config::Config, process};

pub(super) const NAME: &str = "restore";
/// How often the table is listed.
const LISTINGS: usize = 3;
/// The lines above a listing.
const HEADING: usize = 3;

pub(super) fn measure(config: &Config) -> Result<()> {
    if !config.wants(NAME) {
        return Ok(());
    }
    let tables = [(2000, 5), (10_000, 10)];
    let tables = if config.effort.quick {
        &tables[..1]
    } else {
        &tables
    };
    for &(services, servers) in tables {
        let table = Table { services, servers };
        let rules: Vec<String> = table.rules().collect();
        let rules = rules.join("\n") + "\n";
        rounds(
            config,
            &table.name(),
            config.effort.long_rounds(),
            |family| {
                let listing = || {
                    let mut command = family.client.command("ipvsadm");
                    command.arg("-Ln");
                    command
                };
                // The programs themselves are to be in memory.
                process::time(listing(), None)?;
                let rules = family.folder().write("rules", &rules);
                let mut restore = family.client.command("ipvsadm");
                restore.arg("-R");
                let restored = process::time(restore, Some(&rules))?;
                let mut listed = Vec::new();
                for _ in 0..LISTINGS {
                    listed.push(process::time(listing(), None)?.as_secs_f64());
                }
                let lines = process::output(listing())?.lines().count();
                ensure!(
                    lines == HEADING + usize::try_from(table.len())?,
                    "ipvsadm -Ln prints {lines} lines for {} rules",
                    table.len()
                );
                Ok(vec![
                    ("ipvsadm -R".to_owned(), vec![restored.as_secs_f64()]),
                    ("ipvsadm -Ln".to_owned(), listed),
                ])
            },
        )?;
    }
    Ok(())
}
