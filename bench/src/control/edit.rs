//! `ipvsadm -e` of one server, in a small table and in a large one.

use anyhow::Result;

use super::rounds::rounds;
use crate::{
    balancers::{Method, load, rules},
    config::Config,
    interrupt,
    output::progress,
    process,
    services::{CONNECT_PORT, SERVERS, Services, virtual_address},
};

pub(super) const NAME: &str = "edit";
/// Edits in a round. The first does not count.
const EDITS: u32 = 20;

pub(super) fn measure(config: &Config) -> Result<()> {
    if !config.wants(NAME) {
        return Ok(());
    }
    for &services in &config.tables {
        let services = Services(services);
        rounds(config, &services.to_string(), 1, |family| {
            progress(&format!("loading {services}"));
            load(
                &family.client,
                family.folder(),
                rules(services, Method::Masquerading),
            )?;
            let service = format!("{}:{CONNECT_PORT}", virtual_address(services.0 / 2));
            let server = format!("{}:{CONNECT_PORT}", SERVERS[0]);
            let mut values = Vec::new();
            for edit in 0..=EDITS {
                interrupt::check()?;
                let mut command = family.client.command("ipvsadm");
                command
                    .args(["-e", "-t", &service, "-r", &server, "-m"])
                    .args(["-w", &(2 + edit).to_string()]);
                let taken = process::time(command, None)?;
                if edit > 0 {
                    values.push(taken.as_secs_f64());
                }
            }
            Ok(vec![("ipvsadm -e".to_owned(), values)])
        })?;
    }
    Ok(())
}
