//! Opening the maps.

use std::collections::HashMap;

use aya::maps::{Array, ArrayOfMaps, HashMap as BpfHashMap, Map, MapData, MapError};
use sockvs_ebpf_common::{DESTINATIONS_PER_CHUNK, SERVICES_PER_CHUNK, SLOTS_PER_CHUNK};

use super::{
    Error, MapPath, Programs,
    chunks::Chunks,
    common::Common,
    room::{Indexes, Stretches},
};

impl MapPath {
    /// Opens the maps of these programs.
    ///
    /// # Errors
    ///
    /// When a map is not what it should be, or the kernel refuses to have it mapped.
    pub fn open(programs: &mut Programs) -> Result<Self, Error> {
        let by_address = {
            let name = "SERVICES";
            BpfHashMap::try_from(programs.take_map(name)?)
                .map_err(|error| Error::Map { name, error })?
        };
        let globals = {
            let name = "GLOBALS";
            Array::try_from(programs.take_map(name)?).map_err(|error| Error::Map { name, error })?
        };
        let namespaces = {
            let name = "NAMESPACES";
            BpfHashMap::try_from(programs.take_map(name)?)
                .map_err(|error| Error::Map { name, error })?
        };
        Ok(Self {
            by_address,
            common: Common::new(globals, namespaces),
            service_records: chunks(programs, "SERVICE_RECORDS", SERVICES_PER_CHUNK)?,
            destination_records: chunks(programs, "DESTINATION_RECORDS", DESTINATIONS_PER_CHUNK)?,
            slots: chunks(programs, "SLOTS", SLOTS_PER_CHUNK)?,
            service_room: Indexes::default(),
            destination_room: Indexes::default(),
            slot_room: Stretches::default(),
            services: HashMap::new(),
            destinations: HashMap::new(),
            lingering: Vec::new(),
            born: 0,
            walk: programs.take_walk(),
        })
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
