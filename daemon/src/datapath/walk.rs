//! Walking through the connections that go to services, and the flows of datagrams: what they are, and
//! what they have carried.
//!
//! The kernel does the walking (a BPF iterator); the programs in `ebpf/src/live.rs` add what
//! connections have carried to the counters, and tell of each. Nothing happens unless somebody asks.

use std::{
    cell::Cell,
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use aya::{
    Ebpf,
    maps::{Map, MapData},
};
use sockvs_ebpf_common::LiveConnection;

use super::bpf_call;
use crate::ebpf::{self, Incomplete, Kind, Refused};

/// For how long counters are as good as new.
const FRESH: Duration = Duration::from_millis(50);
/// How much is read at once. The kernel gives no more than 32 KiB.
const BUFFER: usize = 64 << 10;

/// Why sockets cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The object in this binary cannot be used.
    #[error(transparent)]
    Program(#[from] Incomplete),
    /// The kernel refuses a program.
    #[error("the kernel does not load {0}: {1}")]
    Load(&'static str, Refused),
    /// The object in this binary cannot be used.
    #[error("there is no map {0}")]
    NoMap(&'static str),
    /// The kernel does not bind the program to the map.
    #[error("the kernel does not walk through the map {0}: {1}")]
    Link(&'static str, io::Error),
}

/// The programs, each bound to the map that it goes through.
pub(super) struct Walk {
    connected: OwnedFd,
    flows: OwnedFd,
    settled: Cell<Option<Instant>>,
}

impl Walk {
    /// Loads the programs of this object.
    pub(super) fn load(object: &[u8], ebpf: &Ebpf, walk: u32) -> Result<Self, Error> {
        let bound = |program, map| bind(object, ebpf, walk, program, map);
        Ok(Self {
            connected: bound("sockvs_live_connected", "CONNECTIONS")?,
            flows: bound("sockvs_live_flows", "FLOWS")?,
            settled: Cell::new(None),
        })
    }

    /// Brings the counters up to date, unless they just were.
    pub(super) fn settle(&self) {
        let fresh = |at: Instant| at.elapsed() < FRESH;
        if !self.settled.get().is_some_and(fresh)
            && let Err(error) = self.connected()
        {
            tracing::warn!(%error, "counters lack what open connections have carried");
        }
    }

    /// The connections of TCP, and the sockets of UDP that are connected. Brings the counters up to date.
    pub(super) fn connected(&self) -> io::Result<Vec<LiveConnection>> {
        let connected = read(self.connected.as_fd())?;
        self.settled.set(Some(Instant::now()));
        Ok(connected)
    }

    /// These, and the flows of sockets that are not connected.
    pub(super) fn all(&self) -> io::Result<Vec<LiveConnection>> {
        let mut all = self.connected()?;
        all.append(&mut read(self.flows.as_fd())?);
        Ok(all)
    }
}

fn bind(
    object: &[u8],
    ebpf: &Ebpf,
    walk: u32,
    program: &'static str,
    map: &'static str,
) -> Result<OwnedFd, Error> {
    let instructions = ebpf::instructions(object, program, ebpf)?;
    let loaded = ebpf::load(Kind::Iterator, &instructions, program, walk)
        .map_err(|refused| Error::Load(program, refused))?;
    let found: &MapData = match ebpf.map(map) {
        Some(Map::Array(found) | Map::HashMap(found)) => found,
        _ => return Err(Error::NoMap(map)),
    };
    bpf_call::link_iterator(loaded.as_fd(), found.fd().as_fd())
        .map_err(|error| Error::Link(map, error))
}

fn read(link: BorrowedFd<'_>) -> io::Result<Vec<LiveConnection>> {
    const RECORD: usize = size_of::<LiveConnection>();
    let mut file = File::from(bpf_call::open_iterator(link)?);
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    let mut connections = Vec::new();
    loop {
        let length = match file.read(buffer.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => return Ok(connections),
            Ok(length) => length,
            // The kernel says so when it has gone past very many entries in vain.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        filled += length;
        let whole = filled - filled % RECORD;
        let records = buffer.get(..whole).unwrap_or_default();
        connections.extend(records.chunks_exact(RECORD).map(record));
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
    }
}

/// One record. `bytes` are as many as it has.
fn record(bytes: &[u8]) -> LiveConnection {
    debug_assert_eq!(bytes.len(), size_of::<LiveConnection>());
    // SAFETY: the caller passes as many bytes as a record has, of which any are one: it is made of
    // integers.
    unsafe { bytes.as_ptr().cast::<LiveConnection>().read_unaligned() }
}
