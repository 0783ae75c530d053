//! The start of a keepalived with many virtual servers, until all of them are listed.

use std::{
    env,
    fmt::Write as _,
    io, thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use compat_tests::{Conversation, Keepalived, answering, neli_client::NeliClient};
use nix::errno::Errno;

use super::rounds::rounds;
use crate::{
    config::Config,
    services::{CONNECT_PORT, SERVERS, virtual_address},
};

pub(super) const NAME: &str = "keepalived";
const VIRTUAL_SERVERS: u32 = 500;
/// How often the table is looked at. That takes its part of the one processor.
const PAUSE: Duration = Duration::from_millis(10);
const LIMIT: Duration = Duration::from_secs(50);

pub(super) fn measure(config: &Config) -> Result<()> {
    if !config.wants(NAME) {
        return Ok(());
    }
    let table = format!("{VIRTUAL_SERVERS} x {}", SERVERS.len());
    rounds(config, &table, config.effort.long_rounds(), |family| {
        let ourselves = env::current_exe()?;
        let mut watch = family.client.command(&ourselves.to_string_lossy());
        watch.arg("await-services");
        let mut watch = Conversation::start(watch, "await-services", family.folder());
        // Its socket is to be open before the clock starts.
        watch
            .ask("0")
            .map_err(|errno| anyhow!("the table cannot be listed: {errno}"))?;
        let start = Instant::now();
        let mut keepalived = Keepalived::start(&family.client, family.folder(), &configuration());
        watch
            .ask(&VIRTUAL_SERVERS.to_string())
            .map_err(|errno| anyhow!("the virtual servers do not come: {errno}"))?;
        let taken = start.elapsed();
        keepalived.stop();
        Ok(vec![(
            "keepalived start".to_owned(),
            vec![taken.as_secs_f64()],
        )])
    })
}

fn configuration() -> String {
    let mut text = String::new();
    for number in 0..VIRTUAL_SERVERS {
        let address = virtual_address(number);
        let _ = writeln!(
            text,
            "virtual_server {address} {CONNECT_PORT} {{\n lvs_sched rr\n \
             lvs_method NAT\n protocol TCP"
        );
        for server in SERVERS {
            let _ = writeln!(
                text,
                " real_server {server} {CONNECT_PORT} {{\n  weight 1\n }}"
            );
        }
        text.push_str("}\n");
    }
    text
}

/// The program beside it: waits until there are as many services as it is told.
pub(crate) fn await_services() -> io::Result<()> {
    let mut client = None;
    answering::answer(|wanted, _| {
        let wanted: usize = answering::parse(wanted)?;
        let client: &NeliClient = match &mut client {
            Some(client) => client,
            None => client.insert(NeliClient::new()?),
        };
        let start = Instant::now();
        while client.services()? < wanted {
            if start.elapsed() > LIMIT {
                return Err(Errno::ETIMEDOUT);
            }
            thread::sleep(PAUSE);
        }
        Ok(vec![])
    })
}
