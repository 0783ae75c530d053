//! How much is in use of what there is a limit to, as `sockvs status` tells.

use serde_json::Value;

use crate::environment::daemon::Daemon;

/// Connections that the array has no room for.
pub const CONNECTIONS: &str = "connections beyond the first 65536";
/// Flows of datagrams.
pub const FLOWS: &str = "flows of datagrams";
/// Clients of persistent services.
pub const CLIENTS: &str = "clients of persistent services";

/// How many of these are in use, and how many there may be.
///
/// # Panics
///
/// When the status does not tell.
#[must_use]
#[track_caller]
pub fn of(daemon: &Daemon, what: &str) -> (u64, u64) {
    let status = daemon.status().expect_success();
    let parsed: Value = serde_json::from_str(&status).expect("it is JSON");
    let mut room = parsed["room"].as_array().into_iter().flatten();
    let found = room.find(|room| room["of"] == what);
    let number = |name: &str| found.and_then(|room| room[name].as_u64());
    number("used")
        .zip(number("most"))
        .unwrap_or_else(|| panic!("nothing of {what} in {status}"))
}
