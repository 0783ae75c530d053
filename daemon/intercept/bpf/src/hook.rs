//! Loads and attaches the netlink hook. Reading its ring buffers is done in `receiver`.
//!
//! The eBPF library creates the maps and sets the constants; it does not support programs that
//! change a function's return value.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use aya::{
    EbpfError, EbpfLoader,
    maps::{Array, MapData, MapError, RingBuf},
};
use sockvs_ebpf_common::netlink::HookSettings;

use sockvs_sys::{bpf::run, netns};

use super::{clock::now, copies, layout::Kernel};
use sockvs_ipvs::Namespace;
use sockvs_server::genl::FAMILY_ID;
use sockvs_sys::bpf::{self, Btf, Incomplete, Kind, LoadError, TypeError};

/// The program's name in the object.
const PROGRAM: &str = "sockvs_netlink_send";
/// The maps' names in the object.
const REQUESTS: &str = "REQUESTS";
const OTHERS: &str = "OTHERS";
const HEARTBEAT: &str = "HEARTBEAT";

/// Why the hook could not be attached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel's types lack something that the hook needs.
    #[error(transparent)]
    Types(#[from] TypeError),
    /// The maps cannot be created.
    #[error("the kernel does not make the hook's maps")]
    Maps(#[source] Box<EbpfError>),
    /// The object in this binary cannot be used.
    #[error("the hook's program cannot be used")]
    Object(#[from] Incomplete),
    /// The object in this binary cannot be used.
    #[error("the hook's object lacks {0}")]
    Incomplete(&'static str),
    /// A ring buffer cannot be mapped, or the heartbeat cannot be written.
    #[error("the hook's map {0} cannot be used")]
    Map(&'static str, #[source] MapError),
    /// The kernel refuses the program.
    #[error("the kernel does not load the netlink hook: {0}")]
    Load(LoadError),
    /// The guard cannot be started.
    #[error("the guard cannot be started, which answers when the daemon is killed")]
    Guard(#[source] io::Error),
    /// The thread that reads the ring buffers cannot be started.
    #[error("the thread cannot be started that reads what the netlink hook takes")]
    Receiver(#[source] io::Error),
    /// The kernel loads the program, but does not attach it.
    #[error("the kernel does not attach the netlink hook: {0}")]
    Attach(io::Error),
}

/// The network namespaces whose requests are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One network namespace.
    One(Namespace),
    /// All network namespaces.
    All,
}

/// The hook, loaded but not attached yet.
pub struct Hook {
    programs: Vec<OwnedFd>,
    rings: Rings,
}

/// The maps that the hook and the daemon share.
pub(super) struct Rings {
    /// Requests of clients with `CAP_NET_ADMIN`.
    pub(super) requests: RingBuf<MapData>,
    /// Requests of all other clients.
    pub(super) others: RingBuf<MapData>,
    /// The time of the daemon's last heartbeat.
    pub(super) heartbeat: Array<MapData, u64>,
}

/// The attached hook. It is detached when this value is dropped, or with the process.
pub struct Attached {
    _links: Vec<OwnedFd>,
    /// The copy that runs when no other one can.
    last: Option<OwnedFd>,
}

impl Attached {
    /// How many messages bypassed the hook since it was attached, because no copy of the program
    /// could run.
    ///
    /// # Errors
    ///
    /// When the kernel returns an error.
    pub fn missed(&self) -> io::Result<u64> {
        self.last
            .as_ref()
            .map_or(Ok(0), |last| run::missed(last.as_fd()))
    }
}

impl Hook {
    /// Loads the hook. It ignores our own messages.
    ///
    /// # Errors
    ///
    /// When the kernel refuses; the error says what is missing.
    pub fn load(scope: Scope) -> Result<Self, Error> {
        Self::load_copies(scope, copies::needed())
    }

    fn load_copies(scope: Scope, copies: usize) -> Result<Self, Error> {
        let kernel = Kernel::from_btf(&Btf::of_kernel()?)?;
        let settings = HookSettings {
            served: match scope {
                Scope::One(namespace) => namespace.0,
                Scope::All => 0,
            },
            daemon: own_process(),
            family: FAMILY_ID.into(),
            layout: kernel.layout,
        };
        let mut object = EbpfLoader::new()
            .btf(None)
            .override_global("SETTINGS", &settings, true)
            .load(sockvs_programs::NETLINK)
            .map_err(|error| Error::Maps(Box::new(error)))?;
        let instructions = bpf::instructions(sockvs_programs::NETLINK, PROGRAM, &object)?;
        let programs = (0..copies)
            .map(|_| bpf::load(Kind::ModifyReturn, &instructions, PROGRAM, kernel.hooked))
            .collect::<Result<_, _>>()
            .map_err(Error::Load)?;
        let mut take = |name| object.take_map(name).ok_or(Error::Incomplete(name));
        let ring = |name, map| RingBuf::try_from(map).map_err(|error| Error::Map(name, error));
        let rings = Rings {
            requests: ring(REQUESTS, take(REQUESTS)?)?,
            others: ring(OTHERS, take(OTHERS)?)?,
            heartbeat: Array::try_from(take(HEARTBEAT)?)
                .map_err(|error| Error::Map(HEARTBEAT, error))?,
        };
        Ok(Self { programs, rings })
    }

    /// Duplicates the descriptors of the two ring buffers: that of clients with `CAP_NET_ADMIN`,
    /// and that of the others.
    pub(super) fn rings(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        Ok((
            self.rings.requests.as_fd().try_clone_to_owned()?,
            self.rings.others.as_fd().try_clone_to_owned()?,
        ))
    }

    /// Attaches the hook: from now on, requests go to the ring buffers. It also writes the first
    /// heartbeat.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub(super) fn attach(mut self) -> Result<(Attached, Rings), Error> {
        let beaten = self.rings.heartbeat.set(0, now(), 0);
        beaten.map_err(|error| Error::Map(HEARTBEAT, error))?;
        let links = self
            .programs
            .iter()
            .map(|program| run::attach(program.as_fd()))
            .collect::<Result<_, _>>()
            .map_err(Error::Attach)?;
        // The copy that is attached first runs last.
        let last = (!self.programs.is_empty()).then(|| self.programs.swap_remove(0));
        Ok((
            Attached {
                _links: links,
                last,
            },
            self.rings,
        ))
    }

    /// Checks whether the hook works here, by attaching it for a moment with a scope that matches
    /// no client.
    ///
    /// # Errors
    ///
    /// When the kernel refuses; the error says what is missing.
    pub fn probe() -> Result<(), Error> {
        // No namespace has this cookie.
        Self::load_copies(Scope::One(Namespace(u64::MAX)), 1)?
            .attach()
            .map(drop)
    }
}

/// Our process id as the hook sees it, or zero if it cannot be determined.
fn own_process() -> u32 {
    if netns::sees_all_processes() {
        std::process::id()
    } else {
        0
    }
}
