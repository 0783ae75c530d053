//! Persistence templates: counts which clients are assigned to which destination, and removes
//! expired ones.
//!
//! The programs insert templates and use them only until they expire. Only this module removes any,
//! so that a client that comes back late finds none, and the map does not fill up with clients that
//! never come back. If a service comes near its limit, its least recently used templates are
//! removed.

use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use aya::{
    Ebpf,
    maps::{Array, MapData},
};
use sockvs_ebpf_common::{
    Eviction, LiveTemplate, RESERVED_TEMPLATES, Template, TemplateKey, TemplateKeys,
    TemplateResult, WALK_BATCH, shared_template_limit,
};

use sockvs_sys::bpf::run::run;

use crate::connections::walk;
use crate::keys::Keys;

/// The number of clients assigned to a destination, by the index of its record, at the time of the
/// last [`Templates::sweep`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    counts: Mutex<HashMap<u32, u32>>,
    /// Whether there has been a persistent service: without one, there are no templates.
    any: AtomicBool,
}

impl Held {
    /// The number of clients assigned to the destination of this record.
    pub(crate) fn to(&self, destination: u32) -> u32 {
        self.counts().get(&destination).copied().unwrap_or(0)
    }

    /// Notes that there may be templates from now on.
    pub(crate) fn expect_some(&self) {
        self.0.any.store(true, Ordering::Relaxed);
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<u32, u32>> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The templates.
pub struct Templates {
    /// Reads them; `None` if the kernel does not support it.
    walker: Option<TemplateWalker>,
    /// The limit of templates.
    limit: u32,
    held: Held,
    /// Whether there may be templates of services of an earlier daemon.
    left: bool,
}

/// The program that reads templates, with its input and output.
pub(crate) struct TemplateWalker {
    program: OwnedFd,
    map: OwnedFd,
    keys: Array<MapData, TemplateKeys>,
    result: Array<MapData, TemplateResult>,
    eviction: Array<MapData, Eviction>,
}

impl TemplateWalker {
    /// Loads the program of this object.
    pub(crate) fn load(ebpf: &mut Ebpf) -> Result<Self, walk::Error> {
        Ok(Self {
            program: walk::load(ebpf, "sockvs_walk_templates")?,
            map: walk::descriptor(ebpf, "TEMPLATES")?,
            keys: walk::array(ebpf, "TEMPLATE_KEYS")?,
            result: walk::array(ebpf, "TEMPLATE_RESULT")?,
            eviction: walk::array(ebpf, "EVICTION")?,
        })
    }

    /// Reads all templates. Those of the given service that have no connections and would expire
    /// before the given time are removed.
    fn walk(&mut self, eviction: Eviction, mut each: impl FnMut(&LiveTemplate)) -> io::Result<()> {
        let set = self.eviction.set(0, eviction, 0);
        set.map_err(io::Error::other)?;
        let mut keys: Keys<TemplateKey, Template> = Keys::of(self.map.try_clone()?);
        while let Some(some) = keys.next()? {
            for keys in some.chunks(WALK_BATCH as usize) {
                let mut value = TemplateKeys {
                    keys: [TemplateKey::default(); WALK_BATCH as usize],
                };
                for (to, key) in value.keys.iter_mut().zip(keys) {
                    *to = *key;
                }
                let set = self.keys.set(0, value, 0);
                set.map_err(io::Error::other)?;
                let count = u32::try_from(keys.len()).unwrap_or(WALK_BATCH);
                let told = run(self.program.as_fd(), [count, 0])?;
                let result = self.result.get(&0, 0).map_err(io::Error::other)?;
                result
                    .templates
                    .iter()
                    .take(told as usize)
                    .for_each(&mut each);
            }
        }
        Ok(())
    }
}

impl Templates {
    pub(crate) fn new(walker: Option<TemplateWalker>, limit: u32) -> Self {
        Self {
            walker,
            limit,
            held: Held::default(),
            left: true,
        }
    }

    /// The counts, which every sweep updates.
    pub(crate) fn held(&self) -> Held {
        self.held.clone()
    }

    /// Counts templates, and removes expired ones. It takes a microsecond for each template, and
    /// most of a millisecond if there are none, because the kernel searches each bucket; so it does
    /// nothing before there is a persistent service.
    ///
    /// # Errors
    ///
    /// When the map cannot be read.
    pub fn sweep(&mut self) -> io::Result<()> {
        let Some(walker) = &mut self.walker else {
            return Ok(());
        };
        if !self.left && !self.held.0.any.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut counts = HashMap::new();
        let mut idle: HashMap<u32, Idle> = HashMap::new();
        let mut total = 0_u32;
        walker.walk(Eviction::default(), |template| {
            total = total.saturating_add(1);
            *counts.entry(template.destination).or_default() += 1;
            idle.entry(template.service).or_default().add(template);
        })?;
        self.left = total > 0;
        *self.held.counts() = counts;
        for (service, idle) in idle {
            if let Some(before) = idle.evict_before(self.limit, total) {
                let eviction = Eviction {
                    before,
                    service,
                    zero: 0,
                };
                walker.walk(eviction, |_| {})?;
                tracing::debug!(
                    service,
                    "the oldest clients of a persistent service are gone"
                );
            }
        }
        Ok(())
    }
}

/// A service's templates.
#[derive(Default)]
struct Idle {
    all: u32,
    /// The expiry times of those without connections.
    expires: Vec<u64>,
}

impl Idle {
    fn add(&mut self, template: &LiveTemplate) {
        self.all = self.all.saturating_add(1);
        if template.n_control == 0 {
            self.expires.push(template.expires);
        }
    }

    /// The time before which templates are to be removed, if the service has four fifths of its
    /// limit with `total` of `limit` templates in use: it is then left with three fifths.
    fn evict_before(mut self, limit: u32, total: u32) -> Option<u64> {
        // A service may have as many as are free: half of what the others leave.
        let left = shared_template_limit(limit).saturating_sub(total.saturating_sub(self.all));
        let most = (left / 2).max(RESERVED_TEMPLATES);
        if u64::from(self.all) * 5 < u64::from(most) * 4 {
            return None;
        }
        let surplus = self.all.saturating_sub(most / 5 * 3) as usize;
        let nth = surplus.min(self.expires.len()).checked_sub(1)?;
        let (_, last, _) = self.expires.select_nth_unstable(nth);
        Some(last.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(clients: u32, connected: u32) -> Idle {
        let mut idle = Idle::default();
        for client in 0..clients {
            idle.add(&LiveTemplate {
                expires: u64::from(client),
                n_control: u64::from(client < connected),
                ..LiveTemplate::default()
            });
        }
        idle
    }

    #[test]
    fn a_service_with_few_clients_keeps_them() {
        assert_eq!(idle(79, 0).evict_before(800, 400), None);
        assert_eq!(idle(50, 0).evict_before(800, 800), None);
    }

    #[test]
    fn the_oldest_are_removed_first_except_those_with_connections() {
        // The limit is 350; 210 stay.
        assert_eq!(idle(300, 0).evict_before(800, 300), Some(90));
        assert_eq!(idle(300, 5).evict_before(800, 300), Some(95));
        assert_eq!(idle(300, 300).evict_before(800, 300), None);
    }

    #[test]
    fn a_service_has_less_space_if_others_have_many_clients() {
        assert_eq!(idle(100, 0).evict_before(800, 400), None);
        assert_eq!(idle(100, 0).evict_before(800, 600), Some(40));
    }
}
