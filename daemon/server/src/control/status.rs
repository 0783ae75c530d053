//! The daemon's status, as `sockvs status` shows it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::state::IpvsState;
use sockvs_ipvs::Usage;

/// What is fixed when the daemon starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// The version of sockvsd.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// The interceptor.
    pub intercept: String,
    /// Why this interceptor was chosen.
    pub intercept_reason: String,
    /// The cgroup whose processes' connections are balanced.
    pub cgroup: PathBuf,
    /// Whether the services of the daemon's own namespace apply to all namespaces.
    pub node_wide: bool,
    /// Where maps and links are pinned.
    pub pin_dir: PathBuf,
}

/// The daemon's status.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// What is fixed at start.
    #[serde(flatten)]
    pub facts: Facts,
    /// The network namespaces that have a table.
    pub namespaces: Vec<NamespaceStatus>,
    /// How much of each limited resource is in use.
    #[serde(default)]
    pub room: Vec<Room>,
}

/// How much of a limited resource is in use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Room {
    /// The name of the resource.
    pub of: String,
    /// How many are in use.
    pub used: u64,
    /// The limit.
    pub most: u64,
    /// How many of those in use belong to owners other than the initial user namespace.
    pub others: u64,
}

impl From<Usage> for Room {
    fn from(usage: Usage) -> Self {
        Self {
            of: usage.of.to_owned(),
            used: usage.used,
            most: usage.most,
            others: usage.others,
        }
    }
}

/// One network namespace's table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NamespaceStatus {
    /// The namespace's cookie (`SO_NETNS_COOKIE`).
    pub cookie: u64,
    /// How many services it has.
    pub services: usize,
    /// How many destinations its services have in total.
    pub destinations: usize,
    /// How many connections were sent to a server since the services were added.
    pub connections: u64,
}

impl Status {
    /// The current status.
    pub fn now(facts: &Facts, state: &IpvsState, maps: Vec<Usage>) -> Self {
        let mut usage = state.usage();
        usage.extend(maps);
        let tables = state.lock();
        let namespaces = tables
            .ipvs
            .namespaces()
            .filter_map(|ns| {
                let table = tables.ipvs.table(ns)?;
                let mut status = NamespaceStatus {
                    cookie: ns.0,
                    services: table.len(),
                    destinations: 0,
                    connections: 0,
                };
                for service in table.services_from(0) {
                    status.destinations += service.destinations().len();
                    status.connections += tables.path.service_stats(ns, service.id()).conns;
                }
                Some(status)
            })
            .collect();
        Self {
            facts: facts.clone(),
            namespaces,
            room: usage.into_iter().map(Room::from).collect(),
        }
    }
}
