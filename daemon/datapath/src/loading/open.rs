//! Opens the maps of loaded programs. Loading and attaching is done in `programs`.

use aya::{
    Pod,
    maps::{Array, ArrayOfMaps, HashMap as BpfHashMap, Map, MapData, MapError},
};
use sockvs_ebpf_common::{
    CONNECTIONS_PER_GROUP, DESTINATION_CHUNKS, DESTINATIONS_PER_CHUNK, MAX_SERVICES,
    SERVICES_PER_CHUNK, SLOTS_PER_CHUNK,
};

use crate::Datapath;
use crate::Error;
use crate::Programs;
use crate::addresses::Addresses;
use crate::common::Common;
use crate::connections::OpenConnections;
use crate::connections::walk::{Reaper, Walkers};
use crate::edits::Edits;
use crate::records::chunks::Chunks;
use crate::stores::owners::Owners;
use crate::stores::shares::Limit;
use crate::stores::{DestinationStore, ScheduleStore, ServiceStore};
use crate::sync_daemons::SyncDaemons;
use crate::templates::Templates;
use crate::usage::MapUsage;

/// The limits. A service, a client or a connection costs 16 bytes before it is used (the kernel's
/// hash tables), each of the first 65 536 connections 128, a destination nothing.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Services of all namespaces.
    pub services: Limit,
    /// Their destinations, including deleted ones whose connections are still counted.
    pub destinations: Limit,
    /// Clients with a persistence template.
    pub clients: Limit,
    /// Open connections that are counted; further ones are balanced but not counted. The limit of
    /// datagram flows is half of it.
    pub connections: u32,
}

/// The number that would take two gigabytes of memory.
const MOST_CONNECTIONS: u32 = 1 << 24;

/// Periodic work on the maps that does not involve the table.
pub struct Chores {
    /// The clients of persistent services.
    pub templates: Templates,
    /// Frees entries of closed sockets; `None` if the kernel does not support reading sockets.
    pub reaper: Option<Reaper>,
    /// How much is in use.
    pub usage: MapUsage,
}

impl Limits {
    /// These limits, reduced to what the maps allow.
    #[must_use]
    pub fn new(services: u32, destinations: u32, clients: u32, connections: u32) -> Self {
        Self {
            services: Limit {
                of: "services",
                option: Some("--max-services"),
                most: services.min(MAX_SERVICES),
            },
            destinations: Limit {
                of: "servers",
                option: Some("--max-servers"),
                most: destinations.min(DESTINATION_CHUNKS * DESTINATIONS_PER_CHUNK),
            },
            clients: Limit {
                of: "clients of persistent services",
                option: Some("--max-clients"),
                most: clients.max(1),
            },
            connections: connections.clamp(CONNECTIONS_PER_GROUP, MOST_CONNECTIONS),
        }
    }
}

/// Opens the maps of these programs, and returns the periodic work that they need.
///
/// # Errors
///
/// When a map has wrong parameters, or the kernel refuses to map it.
pub fn open(programs: &mut Programs, limits: Limits) -> Result<(Datapath, Chores), Error> {
    let mut walkers = programs.take_walkers();
    let walk = walkers.as_mut().and_then(Walkers::for_the_table);
    let reaper = walkers.as_mut().and_then(Walkers::reaper);
    let templates = Templates::new(programs.take_templates(), programs.capacity().templates);
    let usage = MapUsage::open(programs)?;
    let services = chunks(programs, "SERVICE_RECORDS", SERVICES_PER_CHUNK)?;
    let destinations = chunks(programs, "DESTINATION_RECORDS", DESTINATIONS_PER_CHUNK)?;
    let slots = chunks(programs, "SLOTS", SLOTS_PER_CHUNK)?;
    let datapath = Datapath {
        addresses: Addresses::open(programs)?,
        common: Common::new(array(programs, "GLOBALS")?, hash(programs, "NAMESPACES")?),
        sync_daemons: SyncDaemons::new(hash(programs, "SYNC_DAEMONS")?),
        edits: Edits::new(array(programs, "EDIT")?),
        services: ServiceStore::new(services, limits.services),
        destinations: DestinationStore::new(destinations, limits.destinations),
        schedules: ScheduleStore::new(slots),
        owners: Owners::new(),
        born: 0,
        held: templates.held(),
        open: OpenConnections::new(walk),
    };
    let chores = Chores {
        templates,
        reaper,
        usage,
    };
    Ok((datapath, chores))
}

fn array<V: Pod>(programs: &mut Programs, name: &'static str) -> Result<Array<MapData, V>, Error> {
    Array::try_from(programs.take_map(name)?).map_err(|error| Error::Map { name, error })
}

fn hash<K: Pod, V: Pod>(
    programs: &mut Programs,
    name: &'static str,
) -> Result<BpfHashMap<MapData, K, V>, Error> {
    BpfHashMap::try_from(programs.take_map(name)?).map_err(|error| Error::Map { name, error })
}

fn chunks<T: Pod>(
    programs: &mut Programs,
    name: &'static str,
    per_chunk: u32,
) -> Result<Chunks<T>, Error> {
    let failed = |error: MapError| Error::Map { name, error };
    let map: Map = programs.take_map(name)?;
    let outer: ArrayOfMaps<MapData, MapData> = map.try_into().map_err(failed)?;
    Chunks::open(name, outer, per_chunk).map_err(failed)
}
