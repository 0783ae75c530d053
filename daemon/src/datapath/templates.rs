//! Which clients persistence holds to which destination: counts them, and removes those whose time
//! is over.
//!
//! The programs enter templates and go by them only as long as they hold. Nobody but this removes
//! any, so that a client that comes back late finds none, and the map does not fill with clients that
//! never come back.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
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
pub(super) struct Held(Arc<Mutex<HashMap<u32, u32>>>);

impl Held {
    /// The clients that are held to the destination whose record this is.
    pub(super) fn to(&self, destination: u32) -> u32 {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&destination).copied().unwrap_or(0)
    }
}

/// The templates.
pub struct Templates {
    map: BpfHashMap<MapData, TemplateKey, Template>,
    held: Held,
}

impl Templates {
    pub(super) fn open(programs: &mut Programs) -> Result<Self, Error> {
        let map = programs.take_map(NAME)?;
        let map = BpfHashMap::try_from(map).map_err(|error| Error::Map { name: NAME, error })?;
        Ok(Self {
            map,
            held: Held::default(),
        })
    }

    /// The counts, which follow every sweep.
    pub(super) fn held(&self) -> Held {
        self.held.clone()
    }

    /// Counts, and removes what does not hold any more. Takes a few microseconds for each template.
    ///
    /// # Errors
    ///
    /// When the map cannot be read.
    pub fn sweep(&mut self) -> Result<(), MapError> {
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
            }
        }
        for key in ended {
            // Another daemon's sweep may have been quicker.
            let _ = self.map.remove(&key);
        }
        *self.held.0.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        Ok(())
    }
}
