//! Opening the maps.

use std::cell::RefCell;

use aya::maps::{Array, ArrayOfMaps, HashMap as BpfHashMap, Map, MapData, MapError};
use sockvs_ebpf_common::{
    CONNECTIONS_PER_GROUP, DESTINATION_CHUNKS, DESTINATIONS_PER_CHUNK, MAX_SERVICES,
    SERVICES_PER_CHUNK, SLOT_CHUNKS, SLOTS_PER_CHUNK,
};

use super::{
    Error, MapPath, Programs,
    addresses::Addresses,
    chunks::Chunks,
    common::Common,
    edits::Edits,
    owners::Owners,
    rates::Rates,
    room::Indexes,
    shares::Limit,
    stretches::Stretches,
    sync_daemons::SyncDaemons,
    templates::Templates,
    usage::MapUsage,
    walk::{Reaper, Ways},
};

/// How much there may be. A service, a client or a connection costs 16 bytes before it is used (the
/// kernel's hash tables), each of the first 65 536 connections 128, a destination nothing.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Services of all namespaces.
    pub services: Limit,
    /// Their destinations, deleted ones included whose connections are still counted.
    pub destinations: Limit,
    /// Clients that persistence remembers.
    pub clients: Limit,
    /// Open connections that are counted; more are balanced all the same. Half as many flows of
    /// datagrams.
    pub connections: u32,
}

/// The words that say which server is next.
const SLOTS: Limit = Limit {
    of: "places in the services' schedules",
    option: None,
    most: SLOT_CHUNKS * SLOTS_PER_CHUNK,
};

/// What would take two gigabytes of memory, if there were as many.
const MOST_CONNECTIONS: u32 = 1 << 24;

/// What has to be done with the maps from time to time, beside the table.
pub struct Chores {
    /// The clients of persistent services.
    pub templates: Templates,
    /// Entries of sockets that are gone; none where the kernel allows no looking.
    pub reaper: Option<Reaper>,
    /// How much is in use.
    pub usage: MapUsage,
}

impl Limits {
    /// These numbers, as far as the maps go.
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

impl MapPath {
    /// Opens the maps of these programs. What else there is to be done with them from time to time
    /// is told at its types.
    ///
    /// # Errors
    ///
    /// When a map is not what it should be, or the kernel refuses to have it mapped.
    pub fn open(programs: &mut Programs, limits: Limits) -> Result<(Self, Chores), Error> {
        let mut ways = programs.take_ways();
        let walk = ways.as_mut().and_then(Ways::for_the_table);
        let reaper = ways.as_mut().and_then(Ways::reaper);
        let templates = Templates::new(programs.take_templates(), programs.capacity().templates);
        let usage = MapUsage::open(programs)?;
        let globals = {
            let name = "GLOBALS";
            Array::try_from(programs.take_map(name)?).map_err(|error| Error::Map { name, error })?
        };
        let namespaces = {
            let name = "NAMESPACES";
            BpfHashMap::try_from(programs.take_map(name)?)
                .map_err(|error| Error::Map { name, error })?
        };
        let sync_daemons = {
            let name = "SYNC_DAEMONS";
            BpfHashMap::try_from(programs.take_map(name)?)
                .map_err(|error| Error::Map { name, error })?
        };
        let edits = {
            let name = "EDIT";
            Array::try_from(programs.take_map(name)?).map_err(|error| Error::Map { name, error })?
        };
        let path = Self {
            addresses: Addresses::open(programs)?,
            common: Common::new(globals, namespaces),
            sync_daemons: SyncDaemons::new(sync_daemons),
            edits: Edits::new(edits),
            service_records: chunks(programs, "SERVICE_RECORDS", SERVICES_PER_CHUNK)?,
            destination_records: chunks(programs, "DESTINATION_RECORDS", DESTINATIONS_PER_CHUNK)?,
            slots: chunks(programs, "SLOTS", SLOTS_PER_CHUNK)?,
            service_room: Indexes::new(limits.services),
            destination_room: Indexes::new(limits.destinations),
            slot_room: Stretches::new(SLOTS),
            owners: Owners::new(),
            memories: Vec::new(),
            service_rates: Rates::default(),
            destination_rates: Rates::default(),
            lingering: Vec::new(),
            born: 0,
            held: templates.held(),
            walk: walk.map(RefCell::new),
        };
        let chores = Chores {
            templates,
            reaper,
            usage,
        };
        Ok((path, chores))
    }
}

fn chunks<T: aya::Pod>(
    programs: &mut Programs,
    name: &'static str,
    per_chunk: u32,
) -> Result<Chunks<T>, Error> {
    let failed = |error: MapError| Error::Map { name, error };
    let map: Map = programs.take_map(name)?;
    let outer: ArrayOfMaps<MapData, MapData> = map.try_into().map_err(failed)?;
    Chunks::open(name, outer, per_chunk).map_err(failed)
}
