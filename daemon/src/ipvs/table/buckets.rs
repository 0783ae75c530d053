//! The services of a table, in the kernel's order.
//!
//! The order of a dump is part of what clients see: `ipvsadm -Ln` prints it as it comes. The kernel
//! has two hash tables of 256 buckets (`ip_vs_svc_table`, then `ip_vs_svc_fwm_table`), and puts the
//! newest service first in its bucket. So does this. The kernel also hashes the address of the
//! namespace's structure, which nobody can foresee; here that is 0.
//!
//! The buckets are for the order only: services whose addresses end alike share one, perhaps all of a
//! hundred thousand. A single service is found by its key.

use std::{collections::HashMap, net::IpAddr};

use crate::ipvs::{Service, ServiceKey};

/// Buckets in each of the two tables (`IP_VS_SVC_TAB_SIZE`).
const TABLE_SIZE: usize = 256;

/// Services by key.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    services: HashMap<ServiceKey, Numbered>,
    /// The keys in both tables, one after the other. Within a bucket the newest service is last.
    buckets: Vec<Vec<(u64, ServiceKey)>>,
    /// How many services there have ever been.
    ever: u64,
}

/// A service and its number among all that there have ever been.
#[derive(Clone, Debug)]
struct Numbered {
    number: u64,
    service: Service,
}

impl Buckets {
    pub(super) fn new() -> Self {
        Self {
            services: HashMap::new(),
            buckets: vec![Vec::new(); 2 * TABLE_SIZE],
            ever: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.services.len()
    }

    pub(super) fn get(&self, key: &ServiceKey) -> Option<&Service> {
        Some(&self.services.get(key)?.service)
    }

    pub(super) fn get_mut(&mut self, key: &ServiceKey) -> Option<&mut Service> {
        Some(&mut self.services.get_mut(key)?.service)
    }

    /// Puts a service first in its bucket (`ip_vs_svc_hash`). There must be none of its key.
    pub(super) fn insert(&mut self, service: Service) {
        let (number, key) = (self.ever, *service.key());
        self.ever += 1;
        self.buckets[bucket(&key)].push((number, key));
        self.services.insert(key, Numbered { number, service });
    }

    pub(super) fn remove(&mut self, key: &ServiceKey) -> Option<Service> {
        let Numbered { number, service } = self.services.remove(key)?;
        let bucket = &mut self.buckets[bucket(key)];
        if let Ok(position) = bucket.binary_search_by_key(&number, |(number, _)| *number) {
            bucket.remove(position);
        }
        Some(service)
    }

    /// Takes all services out, in order.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Service> + use<> {
        let Self {
            mut services,
            buckets,
            ..
        } = std::mem::replace(self, Self::new());
        buckets
            .into_iter()
            .flat_map(|bucket| bucket.into_iter().rev())
            .filter_map(move |(_, key)| Some(services.remove(&key)?.service))
    }

    /// The services from the `index`th on.
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
            .filter_map(|(_, key)| self.get(key))
    }

    /// All services, in no order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Service> {
        self.services
            .values_mut()
            .map(|numbered| &mut numbered.service)
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
