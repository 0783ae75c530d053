//! Maps addresses to service records: the map `SERVICES`, the bit filter in front of it, by which
//! most sockets find that their address belongs to no service, and the service cache, by which most
//! others find their service without a search.
//!
//! An address is in the filter before its service is in the map, and at least as long. It may stay
//! longer: programs then search for a service and find none. A cache entry exists only while its
//! service is in the map.

use std::collections::HashMap;

use aya::{
    Ebpf,
    maps::{Array, HashMap as BpfHashMap, MapData, MapError},
};
use sockvs_ebpf_common::{FILTER_WORDS, FilterBit, ServiceKey, service_cache_index};

use crate::Error;
use crate::Programs;

const SERVICES: &str = "SERVICES";
const FILTER: &str = "VIP_FILTER";
const SERVICE_CACHE: &str = "SERVICE_CACHE";

/// Fills the filter and the cache from the map of an earlier daemon. Must be called before programs
/// use them.
pub(crate) fn fill(ebpf: &mut Ebpf) -> Result<(), Error> {
    let mut words = vec![0; FILTER_WORDS as usize];
    let mut shortcuts = HashMap::new();
    let services = ebpf.map(SERVICES).ok_or_else(|| missing(SERVICES))?;
    let services = BpfHashMap::<_, ServiceKey, u32>::try_from(services).map_err(of(SERVICES))?;
    for service in services.iter() {
        let (key, index) = service.map_err(of(SERVICES))?;
        if let Some(place) = place(&key)
            && let Some(word) = words.get_mut(place.word() as usize)
        {
            *word |= place.mask();
        }
        shortcuts
            .entry(service_cache_index(&key))
            .or_insert(index + 1);
    }
    let filter = ebpf.map_mut(FILTER).ok_or_else(|| missing(FILTER))?;
    let mut filter = Array::<_, u64>::try_from(filter).map_err(of(FILTER))?;
    for (at, word) in (0..).zip(words).filter(|(_, word)| *word != 0) {
        filter.set(at, word, 0).map_err(of(FILTER))?;
    }
    let map = ebpf
        .map_mut(SERVICE_CACHE)
        .ok_or_else(|| missing(SERVICE_CACHE))?;
    let mut map = Array::<_, u32>::try_from(map).map_err(of(SERVICE_CACHE))?;
    for (place, next) in shortcuts {
        map.set(place, next, 0).map_err(of(SERVICE_CACHE))?;
    }
    Ok(())
}

/// The map, the filter and the cache.
pub(crate) struct Addresses {
    services: BpfHashMap<MapData, ServiceKey, u32>,
    filter: Array<MapData, u64>,
    shortcuts: Array<MapData, u32>,
    /// The number of services at each position of the filter; positions without services are
    /// missing.
    at_place: HashMap<FilterBit, u32>,
}

impl Addresses {
    /// Opens the maps. [`mend`](Self::mend) must be called next.
    pub(crate) fn open(programs: &mut Programs) -> Result<Self, Error> {
        let services = BpfHashMap::try_from(programs.take_map(SERVICES)?).map_err(of(SERVICES))?;
        let filter = Array::try_from(programs.take_map(FILTER)?).map_err(of(FILTER))?;
        let shortcuts =
            Array::try_from(programs.take_map(SERVICE_CACHE)?).map_err(of(SERVICE_CACHE))?;
        Ok(Self {
            services,
            filter,
            shortcuts,
            at_place: HashMap::new(),
        })
    }

    /// Maps the address to the record with this index.
    pub(crate) fn insert(&mut self, key: ServiceKey, index: u32) -> Result<(), MapError> {
        self.count(&key)?;
        self.enter(key, index).inspect_err(|_| self.uncount(&key))
    }

    /// Removes the address from the map.
    pub(crate) fn remove(&mut self, key: &ServiceKey) -> Result<(), MapError> {
        self.leave(key)?;
        self.uncount(key);
        Ok(())
    }

    /// Makes the map contain exactly these addresses. The filter may keep addresses that an earlier
    /// daemon removed.
    pub(crate) fn mend(&mut self, mut expected: HashMap<ServiceKey, u32>) -> Result<(), MapError> {
        for key in expected.keys() {
            self.count(key)?;
        }
        let mut stale = Vec::new();
        for entry in self.services.iter() {
            let (key, index) = entry?;
            if expected.get(&key) == Some(&index) {
                expected.remove(&key);
            } else if !expected.contains_key(&key) {
                stale.push(key);
            }
        }
        for key in stale {
            self.leave(&key)?;
        }
        for (key, index) in expected {
            // It may have been mapped to another record.
            if self.services.get(&key, 0).is_ok() {
                self.leave(&key)?;
            }
            self.enter(key, index)?;
        }
        Ok(())
    }

    fn enter(&mut self, key: ServiceKey, index: u32) -> Result<(), MapError> {
        self.services.insert(key, index, 0)?;
        let place = service_cache_index(&key);
        if self.shortcuts.get(&place, 0)? == 0 {
            self.shortcuts.set(place, index + 1, 0)?;
        }
        Ok(())
    }

    fn leave(&mut self, key: &ServiceKey) -> Result<(), MapError> {
        let index = self.services.get(key, 0)?;
        let place = service_cache_index(key);
        if self.shortcuts.get(&place, 0)? == index + 1 {
            self.shortcuts.set(place, 0, 0)?;
        }
        self.services.remove(key)
    }

    fn count(&mut self, key: &ServiceKey) -> Result<(), MapError> {
        let Some(place) = place(key) else {
            return Ok(());
        };
        let services = self.at_place.entry(place).or_default();
        if *services == 0 {
            let word = self.filter.get(&place.word(), 0)?;
            self.filter.set(place.word(), word | place.mask(), 0)?;
        }
        *services += 1;
        Ok(())
    }

    fn uncount(&mut self, key: &ServiceKey) {
        let Some(place) = place(key) else {
            return;
        };
        let Some(services) = self.at_place.get_mut(&place) else {
            return;
        };
        *services -= 1;
        if *services > 0 {
            return;
        }
        self.at_place.remove(&place);
        let word = self.filter.get(&place.word(), 0);
        let removed = word.and_then(|word| self.filter.set(place.word(), word & !place.mask(), 0));
        if let Err(error) = removed {
            tracing::debug!(%error, "an address without services is still in the filter");
        }
    }
}

/// A service's position in the filter. A service with a firewall mark has none: for marked sockets
/// the filter is not used.
fn place(key: &ServiceKey) -> Option<FilterBit> {
    (key.protocol != 0).then(|| FilterBit::of(&key.address))
}

fn missing(name: &'static str) -> Error {
    of(name)(MapError::KeyNotFound)
}

fn of(name: &'static str) -> impl Fn(MapError) -> Error {
    move |error| Error::Map { name, error }
}
