//! Both ends of the connections that are measured: loops of our own, each in a process of its own
//! that is told what to do line by line.

pub(crate) mod client;
pub(crate) mod server;

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::ValueEnum as _;
use compat_tests::{Conversation, eventually::eventually};

use crate::{lab::Lab, services::Aim};

/// How long a server may take to have served what it was sent.
const LIMIT: Duration = Duration::from_secs(10);

/// What serves. It ends with this.
pub(crate) trait Server {
    /// How many connections or datagrams it has had, if it counts them.
    fn served(&mut self) -> Option<u64> {
        None
    }
}

/// Both ends of the connections.
pub(crate) struct Ends {
    pub(crate) client: Conversation,
    pub(crate) server: Box<dyn Server>,
}

/// Starts a client.
pub(crate) fn client(lab: &Lab) -> Conversation {
    lab.role(&lab.client_place(), &["client"])
}

/// Starts a server.
pub(crate) fn serve(lab: &Lab, kind: server::Kind, port: u16) -> Result<Box<dyn Server>> {
    let value = kind.to_possible_value().context("every kind has a name")?;
    let words = ["serve", value.get_name(), &port.to_string()];
    let mut server = lab.role(&lab.server_place(), &words);
    // It answers when it listens.
    server
        .ask("served")
        .map_err(|errno| anyhow!("the server does not start: {errno}"))?;
    Ok(Box::new(server))
}

/// Lets the client do something, and gives the nanoseconds that each took. All of it must have
/// reached the server.
pub(crate) fn drive(ends: &mut Ends, verb: &str, aim: Aim, port: u16, times: u32) -> Result<f64> {
    let before = ends.server.served().context("the server does not count")?;
    let Aim { first, count } = aim;
    let answer = ends
        .client
        .ask(&format!("{verb} {first} {count} {port} {times}"))
        .map_err(|errno| anyhow!("{verb} to {first}, port {port}: {errno}"))?;
    let nanoseconds: f64 = answer
        .first()
        .and_then(|line| line.parse().ok())
        .context("the client tells no time")?;
    eventually(LIMIT, || match ends.server.served().unwrap_or(0) - before {
        served if served >= u64::from(times) => Ok(()),
        served => Err(format!("of {times} times {verb} the server saw {served}")),
    });
    Ok(nanoseconds / f64::from(times))
}

impl Server for Conversation {
    fn served(&mut self) -> Option<u64> {
        self.must("served").first()?.parse().ok()
    }
}
