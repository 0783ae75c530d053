//! The services of a table, in the kernel's order.
//!
//! The order of a dump is visible to clients: `ipvsadm -Ln` prints services in that order. The
//! kernel has two hash tables of 256 buckets (`ip_vs_svc_table`, then `ip_vs_svc_fwm_table`), and
//! inserts a new service at the front of its bucket. So does this module. The kernel also hashes
//! the address of the namespace's structure, which is unpredictable; here that is 0.
//!
//! The buckets are only for the order: services whose addresses end alike share one, possibly all
//! of a hundred thousand. A single service is looked up by its key in another table.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
};

use hashbrown::HashTable;

use crate::{Service, ServiceKey, service::ServiceNumber};

/// Buckets in each of the two tables (`IP_VS_SVC_TAB_SIZE`).
const TABLE_SIZE: usize = 256;

/// Services by key. Each has a fixed index, by which everything else refers to it.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    places: Vec<Option<Service>>,
    free: Vec<u32>,
    /// Indexes by key.
    by_key: HashTable<u32>,
    hasher: RandomState,
    /// The indexes in the buckets of both tables. Within a bucket the newest service is last.
    buckets: Vec<Vec<u32>>,
    /// How many services were ever inserted.
    ever: u64,
}

impl Buckets {
    pub(super) fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            by_key: HashTable::new(),
            hasher: RandomState::new(),
            buckets: vec![Vec::new(); 2 * TABLE_SIZE],
            ever: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn get(&self, key: &ServiceKey) -> Option<&Service> {
        let hash = self.hasher.hash_one(key);
        let place = self.by_key.find(hash, |place| self.has(*place, key))?;
        self.at(*place)
    }

    pub(super) fn get_mut(&mut self, key: &ServiceKey) -> Option<&mut Service> {
        let hash = self.hasher.hash_one(key);
        let place = *self.by_key.find(hash, |place| self.has(*place, key))?;
        self.places.get_mut(place as usize)?.as_mut()
    }

    /// The number of the next service that is inserted.
    pub(super) fn next_number(&self) -> ServiceNumber {
        ServiceNumber(self.ever)
    }

    /// Inserts a service at the front of its bucket (`ip_vs_svc_hash`). There must be none with its
    /// key, and it must have the next number.
    pub(super) fn insert(&mut self, service: Service) {
        self.ever += 1;
        let key = *service.key();
        let place = self.put(service);
        self.buckets[bucket(&key)].push(place);
        let Self {
            places,
            by_key,
            hasher,
            ..
        } = self;
        by_key.insert_unique(hasher.hash_one(key), place, |other| {
            let other = places.get(*other as usize).and_then(Option::as_ref);
            other.map_or(0, |service| hasher.hash_one(service.key()))
        });
    }

    pub(super) fn remove(&mut self, key: &ServiceKey) -> Option<Service> {
        let hash = self.hasher.hash_one(key);
        let Self { places, by_key, .. } = self;
        let has = |place: &u32| {
            let service = places.get(*place as usize).and_then(Option::as_ref);
            service.is_some_and(|service| service.key() == key)
        };
        let (place, _) = by_key.find_entry(hash, has).ok()?.remove();
        let service = self.places.get_mut(place as usize)?.take()?;
        let in_bucket = self.buckets[bucket(key)].binary_search_by_key(&service.number, |other| {
            // The service itself has been removed already.
            self.at(*other).map_or(service.number, |other| other.number)
        });
        if let Ok(position) = in_bucket {
            self.buckets[bucket(key)].remove(position);
        }
        self.free.push(place);
        Some(service)
    }

    /// Removes all services, and returns them in order.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Service> + use<> {
        let fresh = Self {
            ever: self.ever,
            ..Self::new()
        };
        let Self {
            mut places,
            buckets,
            ..
        } = std::mem::replace(self, fresh);
        buckets
            .into_iter()
            .flat_map(|bucket| bucket.into_iter().rev())
            .filter_map(move |place| places.get_mut(place as usize)?.take())
    }

    /// The services from an index on.
    pub(super) fn iter_from(&self, index: usize) -> impl Iterator<Item = &Service> {
        let mut skip = index;
        let mut first = 0;
        while first < self.buckets.len() && skip >= self.buckets[first].len() {
            skip -= self.buckets[first].len();
            first += 1;
        }
        self.buckets[first..]
            .iter()
            .flat_map(|bucket| bucket.iter().rev())
            .skip(skip)
            .filter_map(|place| self.at(*place))
    }

    /// All services, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Service> {
        self.places.iter().flatten()
    }

    fn at(&self, place: u32) -> Option<&Service> {
        self.places.get(place as usize)?.as_ref()
    }

    fn has(&self, place: u32, key: &ServiceKey) -> bool {
        self.at(place).is_some_and(|service| service.key() == key)
    }

    /// Stores a service, and returns its index.
    fn put(&mut self, service: Service) -> u32 {
        if let Some(place) = self.free.pop()
            && let Some(free) = self.places.get_mut(place as usize)
        {
            *free = Some(service);
            return place;
        }
        // There are no more services than ids in the data path, which have 32 bits.
        let place = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(Some(service));
        place
    }
}

/// The bucket of a key (`ip_vs_svc_hashkey`, `ip_vs_svc_fwm_hashkey`).
fn bucket(key: &ServiceKey) -> usize {
    match *key {
        ServiceKey::Address {
            protocol,
            addr,
            port,
        } => {
            let folded = match addr {
                IpAddr::V4(addr) => addr.to_bits(),
                IpAddr::V6(addr) => {
                    let octets = addr.octets();
                    let (words, _) = octets.as_chunks();
                    words
                        .iter()
                        .fold(0, |folded, word| folded ^ u32::from_be_bytes(*word))
                }
            };
            let port = u32::from(port);
            low_byte(u32::from(protocol) ^ folded ^ (port >> 8) ^ port)
        }
        ServiceKey::Fwmark { mark, .. } => TABLE_SIZE + low_byte(mark.get()),
    }
}

fn low_byte(hash: u32) -> usize {
    hash.to_le_bytes()[0].into()
}
