//! Reads the connections that go through services, and the flows of datagrams: what they are, and
//! what they have carried.
//!
//! The programs in `ebpf/src/live` process some entries in each run, add the connections' traffic
//! to the counters, and report each connection. The daemon runs them on all groups of the array,
//! and on the keys of the hash maps. They only run on demand.

use std::{
    cell::Cell,
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aya::{
    Ebpf, Pod,
    maps::{Array, Map, MapData, MapError},
    programs::{Program, ProgramError},
};
use sockvs_ebpf_common::{
    Flow, FlowKey, LiveConnection, MAX_WALKERS, OverflowConnection, WALK_BATCH, WalkKeys,
    WalkResult,
};

use sockvs_sys::bpf::run::run;

use crate::keys::Keys;

/// How long counters are considered current.
const FRESH: Duration = Duration::from_millis(50);
/// With more connections than this, which take some 100 ms, the reaper reads them, and no client
/// waits for it.
const MANY: u32 = 50_000;

/// Why connections cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The object in this binary cannot be used.
    #[error("there is no {0} in the object")]
    Lacks(&'static str),
    /// The kernel refuses a program.
    #[error("the kernel does not load {0}")]
    Load(&'static str, #[source] ProgramError),
    /// A map cannot be used.
    #[error("the map {0} cannot be used")]
    Map(&'static str, #[source] MapError),
    /// A descriptor cannot be duplicated.
    #[error(transparent)]
    Descriptor(#[from] io::Error),
}

/// The programs and maps that all walkers share.
pub(crate) struct Walkers {
    connections: OwnedFd,
    overflow: OwnedFd,
    flows: OwnedFd,
    keys: Vec<Array<MapData, WalkKeys>>,
    results: Vec<Array<MapData, WalkResult>>,
    groups: u32,
    overflowed: OwnedFd,
    flowing: OwnedFd,
    last: Last,
}

/// When all connections were last read, by any walker, and how many there were.
type Last = Arc<Mutex<Option<Settled>>>;

#[derive(Clone, Copy)]
struct Settled {
    at: Instant,
    connections: u32,
}

impl Walkers {
    /// Loads the programs of this object.
    pub(crate) fn load(ebpf: &mut Ebpf, groups: u32) -> Result<Self, Error> {
        let connections = load(ebpf, "sockvs_walk_connections")?;
        let overflow = load(ebpf, "sockvs_walk_overflow")?;
        let flows = load(ebpf, "sockvs_walk_flows")?;
        Ok(Self {
            connections,
            overflow,
            flows,
            keys: copies(ebpf, "WALK_KEYS")?,
            results: copies(ebpf, "WALK_RESULT")?,
            groups,
            overflowed: descriptor(ebpf, "OVERFLOW")?,
            flowing: descriptor(ebpf, "FLOWS")?,
            last: Last::default(),
        })
    }

    /// One of the walkers. They can run at the same time.
    fn walker(&mut self, number: u32) -> Option<Walker> {
        let again = |descriptor: &OwnedFd| descriptor.try_clone().ok();
        Some(Walker {
            number,
            connections: again(&self.connections)?,
            overflow: again(&self.overflow)?,
            flows: again(&self.flows)?,
            keys: self.keys.pop()?,
            result: self.results.pop()?,
            groups: self.groups,
            overflowed: again(&self.overflowed)?,
            flowing: again(&self.flowing)?,
            last: Arc::clone(&self.last),
        })
    }

    /// The walker of the table.
    pub(crate) fn for_the_table(&mut self) -> Option<Walk> {
        self.walker(0).map(Walk)
    }

    /// The walker that frees unused entries.
    pub(crate) fn reaper(&mut self) -> Option<Reaper> {
        self.walker(1).map(Reaper)
    }
}

/// One handle of a map for each walker.
fn copies<V: Pod>(ebpf: &Ebpf, name: &'static str) -> Result<Vec<Array<MapData, V>>, Error> {
    (0..MAX_WALKERS).map(|_| array(ebpf, name)).collect()
}

/// Another handle of an array.
pub(crate) fn array<V: Pod>(ebpf: &Ebpf, name: &'static str) -> Result<Array<MapData, V>, Error> {
    MapData::from_fd(descriptor(ebpf, name)?)
        .and_then(Map::from_map_data)
        .and_then(Array::try_from)
        .map_err(|error| Error::Map(name, error))
}

/// Loads a program without attaching it.
pub(crate) fn load(ebpf: &mut Ebpf, name: &'static str) -> Result<OwnedFd, Error> {
    let program = ebpf.program_mut(name).ok_or(Error::Lacks(name))?;
    let Program::RawTracePoint(program) = program else {
        return Err(Error::Lacks(name));
    };
    let refused = |error| Error::Load(name, error);
    program.load().map_err(refused)?;
    let loaded = program.fd().map_err(refused)?;
    Ok(loaded.as_fd().try_clone_to_owned()?)
}

/// Another descriptor for a map.
pub(crate) fn descriptor(ebpf: &Ebpf, name: &'static str) -> Result<OwnedFd, Error> {
    match ebpf.map(name) {
        Some(Map::Array(map) | Map::HashMap(map)) => Ok(map.fd().as_fd().try_clone_to_owned()?),
        _ => Err(Error::Lacks(name)),
    }
}

/// Reads the entries of the maps.
struct Walker {
    number: u32,
    connections: OwnedFd,
    overflow: OwnedFd,
    flows: OwnedFd,
    keys: Array<MapData, WalkKeys>,
    result: Array<MapData, WalkResult>,
    groups: u32,
    overflowed: OwnedFd,
    flowing: OwnedFd,
    last: Last,
}

impl Walker {
    /// Connected sockets of TCP and UDP. Brings the counters up to date.
    fn connected(&mut self, mut each: impl FnMut(&LiveConnection)) -> io::Result<()> {
        self.first_connected(u32::MAX, &mut each)
    }

    /// As `connected`, but beyond a limit the rest is left to the reaper.
    fn first_connected(
        &mut self,
        limit: u32,
        mut each: impl FnMut(&LiveConnection),
    ) -> io::Result<()> {
        let mut connections = 0_u32;
        let walked = self.walk(&mut |live| {
            connections = connections.saturating_add(1);
            each(live);
            connections <= limit
        });
        *self.last() = Some(Settled {
            at: Instant::now(),
            connections,
        });
        walked
    }

    /// Continues until `each` returns false.
    fn walk(&mut self, each: &mut dyn FnMut(&LiveConnection) -> bool) -> io::Result<()> {
        let more = Cell::new(true);
        let mut each = |live: &LiveConnection| more.set(each(live));
        for group in 0..self.groups {
            self.run(|walker| walker.connections.as_fd(), group, &mut each)?;
            if !more.get() {
                return Ok(());
            }
        }
        let mut keys: Keys<u64, OverflowConnection> = Keys::of(self.overflowed.try_clone()?);
        while let Some(some) = keys.next()? {
            for cookies in some.chunks(WALK_BATCH as usize) {
                let keys = cookies.iter().map(|cookie| FlowKey {
                    cookie: *cookie,
                    index: 0,
                });
                self.set_keys(keys)?;
                self.run(|walker| walker.overflow.as_fd(), count(cookies), &mut each)?;
                if !more.get() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn last(&self) -> MutexGuard<'_, Option<Settled>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The flows of unconnected sockets.
    fn flows(&mut self, mut each: impl FnMut(&LiveConnection)) -> io::Result<()> {
        let mut keys: Keys<FlowKey, Flow> = Keys::of(self.flowing.try_clone()?);
        while let Some(some) = keys.next()? {
            for keys in some.chunks(WALK_BATCH as usize) {
                self.set_keys(keys.iter().copied())?;
                self.run(|walker| walker.flows.as_fd(), count(keys), &mut each)?;
            }
        }
        Ok(())
    }

    fn set_keys(&mut self, keys: impl Iterator<Item = FlowKey>) -> io::Result<()> {
        let mut value = WalkKeys {
            keys: [FlowKey::default(); WALK_BATCH as usize],
        };
        for (to, key) in value.keys.iter_mut().zip(keys) {
            *to = key;
        }
        self.keys
            .set(self.number, value, 0)
            .map_err(io::Error::other)
    }

    fn run(
        &self,
        program: impl Fn(&Self) -> BorrowedFd<'_>,
        which: u32,
        each: &mut impl FnMut(&LiveConnection),
    ) -> io::Result<()> {
        let told = run(program(self), [self.number, which])?;
        if told > 0 {
            let result = self.result.get(&self.number, 0).map_err(io::Error::other)?;
            result.connections.iter().take(told as usize).for_each(each);
        }
        Ok(())
    }
}

/// The number of these keys, which one run can process.
fn count<T>(keys: &[T]) -> u32 {
    u32::try_from(keys.len()).unwrap_or(WALK_BATCH)
}

/// Reads open connections for the table.
pub(crate) struct Walk(Walker);

impl Walk {
    /// Brings the counters up to date, unless they are current. With very many connections, the
    /// reaper does so every few seconds.
    pub(crate) fn settle(&mut self) {
        let fresh = |Settled { at, connections }| connections > MANY || at.elapsed() < FRESH;
        let last = *self.0.last();
        if !last.is_some_and(fresh)
            && let Err(error) = self.0.first_connected(MANY, |_| {})
        {
            tracing::warn!(%error, "counters lack what open connections have carried");
        }
    }

    /// Connected sockets of TCP and UDP. Brings the counters up to date.
    pub(crate) fn connected(&mut self) -> io::Result<Vec<LiveConnection>> {
        let mut connected = Vec::new();
        self.0.connected(|live| connected.push(*live))?;
        Ok(connected)
    }

    /// Connected sockets, and the flows of unconnected ones.
    pub(crate) fn all(&mut self) -> io::Result<Vec<LiveConnection>> {
        let mut all = self.connected()?;
        self.0.flows(|live| all.push(*live))?;
        Ok(all)
    }
}

/// Frees the entries of sockets that were closed without a program being run, and unused flows
/// while there are many.
pub struct Reaper(Walker);

impl Reaper {
    /// Processes all maps once. It takes about a microsecond for each connection. The first part
    /// brings the counters up to date.
    ///
    /// # Errors
    ///
    /// When the kernel refuses to read a map.
    pub fn reap(&mut self) -> io::Result<()> {
        self.0.connected(|_| {})?;
        self.0.flows(|_| {})
    }
}
