//! Which clients persistence holds to which destination: counts them, and removes those whose time
//! is over.
//!
//! The programs enter templates and go by them only as long as they hold. Nobody but this removes
//! any, so that a client that comes back late finds none, and the map does not fill with clients that
//! never come back.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aya::maps::{HashMap as BpfHashMap, MapData, MapError};
use nix::time::{ClockId, clock_gettime};
use sockvs_ebpf_common::{Template, TemplateKey};

use super::{Error, Programs, records};

/// The map's name in the object.
const NAME: &str = "TEMPLATES";
/// How long after its time a template is left alone: a program may be about to prolong it.
const GRACE: Duration = Duration::from_secs(2);

/// How many clients are held to a destination, by the index of its record; as of the last
/// [`Templates::sweep`].
#[derive(Clone, Debug, Default)]
pub(super) struct Held(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    counts: Mutex<HashMap<u32, u32>>,
    /// Whether there has been a persistent service: before, no client can be held.
    any: AtomicBool,
}

impl Held {
    /// The clients that are held to the destination whose record this is.
    pub(super) fn to(&self, destination: u32) -> u32 {
        self.counts().get(&destination).copied().unwrap_or(0)
    }

    /// From now on clients may be held.
    pub(super) fn expect_some(&self) {
        self.0.any.store(true, Ordering::Relaxed);
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<u32, u32>> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The templates.
pub struct Templates {
    map: BpfHashMap<MapData, TemplateKey, Template>,
    held: Held,
    /// Whether there may be templates of services that an earlier daemon served.
    left: bool,
}

impl Templates {
    pub(super) fn open(programs: &mut Programs) -> Result<Self, Error> {
        let map = programs.take_map(NAME)?;
        let map = BpfHashMap::try_from(map).map_err(|error| Error::Map { name: NAME, error })?;
        Ok(Self {
            map,
            held: Held::default(),
            left: true,
        })
    }

    /// The counts, which follow every sweep.
    pub(super) fn held(&self) -> Held {
        self.held.clone()
    }

    /// Counts, and removes what does not hold any more. Takes a few microseconds for each template, and
    /// most of a millisecond if there are none, because the kernel looks into each place where one could be;
    /// so nothing is done before there is a persistent service.
    ///
    /// # Errors
    ///
    /// When the map cannot be read.
    pub fn sweep(&mut self) -> Result<(), MapError> {
        if !self.left && !self.held.0.any.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.left = false;
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC)
            .map_or(0, |now| records::nanoseconds(Duration::from(now)));
        let over = now.saturating_sub(records::nanoseconds(GRACE));
        let mut counts = HashMap::new();
        let mut ended = Vec::new();
        for entry in self.map.iter() {
            let (key, template) = entry?;
            if template.controls > 0 || template.expires > now {
                *counts.entry(template.destination).or_default() += 1;
            } else if template.expires < over {
                ended.push(key);
                continue;
            }
            self.left = true;
        }
        for key in ended {
            // Another daemon's sweep may have been quicker.
            let _ = self.map.remove(&key);
        }
        *self.held.counts() = counts;
        Ok(())
    }
}
