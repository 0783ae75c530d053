//! Loading the eBPF programs, attaching them to a cgroup, and pinning what must outlive the daemon.
//!
//! Maps and links are pinned. A daemon that starts reuses the maps and puts its own programs in the
//! place of the ones behind the links, so that there is no moment without a data path.

use std::{
    fs, io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Map, MapError},
    programs::{
        CgroupAttachMode, Program, ProgramError,
        links::{FdLink, LinkError},
    },
};
use sockvs_ebpf_common::{
    DESTINATION_CHUNKS, DESTINATIONS_PER_CHUNK, Destination, SERVICE_CHUNKS, SERVICES_PER_CHUNK,
    SLOT_CHUNKS, SLOTS_PER_CHUNK, Service,
};

use super::{
    Limits, PinDirectory, addresses, bpf_call,
    capacity::Capacity,
    chunks::Outer,
    layout::Layouts,
    migration::Migration,
    open_cgroup,
    socket_layout::socket_layout,
    templates::Way,
    walk::{self, Ways},
};
use crate::ipvs::Namespace;

/// The programs, compiled by the build script.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sockvs-ebpf"));

/// Each program, by its name in the object and the name of its link in the pin directory.
/// Those that count come first: no connection may go to a server that is not counted.
const PROGRAMS: [(&str, &str); 10] = [
    ("sockvs_sockops", "sockops"),
    ("sockvs_sock_release", "sock_release"),
    ("sockvs_recvmsg4", "recvmsg4"),
    ("sockvs_recvmsg6", "recvmsg6"),
    ("sockvs_connect4", "connect4"),
    ("sockvs_connect6", "connect6"),
    ("sockvs_sendmsg4", "sendmsg4"),
    ("sockvs_sendmsg6", "sendmsg6"),
    ("sockvs_getpeername4", "getpeername4"),
    ("sockvs_getpeername6", "getpeername6"),
];
/// The maps that hold records.
const OUTER_MAPS: [Outer; 3] = [
    Outer {
        name: "SERVICE_RECORDS",
        record: size_of::<Service>(),
        per_chunk: SERVICES_PER_CHUNK,
        chunks: SERVICE_CHUNKS,
    },
    Outer {
        name: "DESTINATION_RECORDS",
        record: size_of::<Destination>(),
        per_chunk: DESTINATIONS_PER_CHUNK,
        chunks: DESTINATION_CHUNKS,
    },
    Outer {
        name: "SLOTS",
        record: size_of::<u64>(),
        per_chunk: SLOTS_PER_CHUNK,
        chunks: SLOT_CHUNKS,
    },
];

/// Why there is no data path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The list of mounts cannot be read.
    #[error("cannot read the list of mounts in /proc/self/mounts")]
    NoMounts(#[source] io::Error),
    /// No cgroup2 hierarchy.
    #[error("no cgroup2 hierarchy is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup")]
    NoCgroup2,
    /// The cgroup that was asked for cannot be used.
    #[error("cannot use the cgroup {}", path.display())]
    Cgroup {
        /// The cgroup.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: io::Error,
    },
    /// The pin directory cannot be used.
    #[error("cannot use the pin directory {}, which has to be in a BPF file system, as /sys/fs/bpf is", path.display())]
    PinDirectory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: io::Error,
    },
    /// Another daemon runs.
    #[error("another sockvsd is running on the pin directory {}; stop it first, or give another --pin-dir", path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
    },
    /// The kernel refuses the programs or the maps.
    #[error("the kernel does not load the eBPF programs (sockvs doctor tells more)")]
    Load(#[source] Box<EbpfError>),
    /// The kernel refuses one program.
    #[error(
        "the kernel does not take the eBPF program {name} (SOCKVS_LOG=debug tells more): {says}"
    )]
    Program {
        /// The program.
        name: &'static str,
        /// The kernel's answer, in one line.
        says: String,
    },
    /// The programs that look at open connections cannot be used.
    #[error("open connections cannot be looked at: {0}")]
    Looking(String),
    /// A link or a map cannot be pinned or opened.
    #[error("cannot use {}", path.display())]
    Pin {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: io::Error,
    },
    /// What another version left cannot be carried over, or not be marked as ours.
    #[error("cannot take over the maps of another version (sockvsd --detach-all gives them up)")]
    Migration(#[source] io::Error),
    /// A map is not what it should be.
    #[error("the map {name} cannot be used")]
    Map {
        /// The map.
        name: &'static str,
        /// What is wrong with it.
        #[source]
        error: MapError,
    },
}

/// The programs, loaded and attached, and the maps that they follow.
pub struct Programs {
    ebpf: Ebpf,
    pins: PinDirectory,
    ways: Option<Ways>,
    templates: Option<Way>,
    capacity: Capacity,
}

impl Programs {
    /// Loads the programs and attaches them to `cgroup`, or puts them in the place of those that an
    /// earlier daemon left. The services of the namespace `node_wide` hold in every namespace.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, or the pin directory or the cgroup cannot be used.
    pub fn attach(
        pins: PinDirectory,
        cgroup: &Path,
        node_wide: Option<Namespace>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let cgroup_file = open_cgroup(cgroup)?;
        let mut loader = EbpfLoader::new();
        let services = Layouts::room_for_services(&pins, limits).map_err(Error::Migration)?;
        let layouts = Layouts::ours(services);
        for layout in layouts.iter() {
            let path = pins.file(&layout.file());
            loader.map_pin_path(layout.name.as_str(), path.clone());
            if let Some(outer) = OUTER_MAPS.iter().find(|outer| outer.name == layout.name) {
                outer
                    .ensure_pinned(&path)
                    .map_err(|error| Error::Pin { path, error })?;
            }
        }
        loader.map_max_entries("SERVICES", services);
        let capacity = Capacity::of(&pins, &layouts, limits).map_err(Error::Migration)?;
        let mask = capacity.entries() - 1;
        loader.map_max_entries("CONNECTIONS", capacity.groups);
        loader.override_global("CONNECTIONS_MASK", &mask, true);
        // The kernel makes no map without any room.
        loader.map_max_entries("OVERFLOW", capacity.overflow.max(1));
        loader.override_global("OVERFLOW_LIMIT", &capacity.overflow, true);
        loader.map_max_entries("FLOWS", capacity.flows);
        loader.override_global("FLOWS_LIMIT", &capacity.flows, true);
        loader.map_max_entries("TEMPLATES", capacity.templates);
        loader.override_global("TEMPLATES_LIMIT", &capacity.templates, true);
        let node_wide = node_wide.map_or(0, |ns| ns.0);
        loader.override_global("NODE_WIDE", &node_wide, true);
        let layout = socket_layout();
        if let Ok(layout) = &layout {
            loader.override_global("LAYOUT", layout, true);
        }
        let mut ebpf = loader
            .load(OBJECT)
            .map_err(|error| Error::Load(Box::new(error)))?;
        let migration = Migration::due(&pins, &layouts).map_err(Error::Migration)?;
        if let Some(migration) = &migration {
            migration.carry_over().map_err(Error::Migration)?;
        }
        addresses::fill(&mut ebpf)?;
        for (name, link) in PROGRAMS {
            attach(&mut ebpf, name, &pins.file(link), &cgroup_file)
                .map_err(|error| error.into_error(name, pins.file(link)))?;
        }
        if let Some(migration) = &migration {
            migration.settle().map_err(Error::Migration)?;
        }
        drop(migration);
        let looking = match &layout {
            Ok(_) => Ways::load(&mut ebpf, capacity.groups)
                .and_then(|ways| Ok((ways, Way::load(&mut ebpf)?)))
                .map_err(|error| chain(&error)),
            Err(error) => Err(chain(error)),
        };
        if let Err(error) = &looking {
            tracing::warn!(%error, "open connections will not be listed, and are counted when they end");
        }
        let (ways, templates) = looking.ok().unzip();
        Ok(Self {
            ebpf,
            pins,
            ways,
            templates,
            capacity,
        })
    }

    /// From now on the data path outlives the daemon. Until then, what was not there before goes
    /// with this value.
    pub fn keep(&mut self) {
        self.pins.keep();
    }

    /// Loads the programs to see whether the kernel takes them, and drops them again. Nothing is
    /// attached or pinned.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn try_load() -> Result<(), Error> {
        let mut ebpf = EbpfLoader::new()
            .load(OBJECT)
            .map_err(|error| Error::Load(Box::new(error)))?;
        for (name, _) in PROGRAMS {
            load(&mut ebpf, name).map_err(|error| refused(name, &error))?;
        }
        Ways::load(&mut ebpf, 1)
            .and_then(|_| Way::load(&mut ebpf))
            .map(drop)
            .map_err(|error| match error {
                walk::Error::Load(name, error) => refused(name, &error),
                other => Error::Looking(chain(&other)),
            })
    }

    /// Takes out the ways to the sockets, if there are any.
    pub(super) fn take_ways(&mut self) -> Option<Ways> {
        self.ways.take()
    }

    /// Takes out the way to the templates, if there is one.
    pub(super) fn take_templates(&mut self) -> Option<Way> {
        self.templates.take()
    }

    /// How much room the maps have that the programs fill.
    pub(super) fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// Takes a map out, to be used.
    pub(super) fn take_map(&mut self, name: &'static str) -> Result<Map, Error> {
        let missing = || Error::Map {
            name,
            error: MapError::KeyNotFound,
        };
        self.ebpf.take_map(name).ok_or_else(missing)
    }
}

/// Ends the data path: connections that exist live on, new ones are no longer balanced.
///
/// # Errors
///
/// When a daemon runs on the pin directory, or a file in it cannot be removed.
pub fn detach_all(pin_dir: &Path) -> Result<(), Error> {
    if !pin_dir.exists() {
        return Ok(());
    }
    let pins = PinDirectory::open(pin_dir)?;
    pins.remove().map_err(|error| Error::PinDirectory {
        path: pin_dir.to_owned(),
        error,
    })
}

enum AttachError {
    Program(ProgramError),
    Pin(io::Error),
}

impl AttachError {
    fn into_error(self, name: &'static str, path: PathBuf) -> Error {
        match self {
            Self::Program(error) => refused(name, &error),
            Self::Pin(error) => Error::Pin { path, error },
        }
    }
}

/// The kernel's answer to a program, without the verifier's log, which may have any length.
fn refused(name: &'static str, error: &ProgramError) -> Error {
    let says = match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            tracing::debug!(name, %log, "the verifier's log");
            // The last lines are statistics; what is wrong stands above them.
            let verdict = log
                .lines()
                .take_while(|line| !line.starts_with("verification time"))
                .filter(|line| !line.starts_with("processed"))
                .last();
            format!("{io_error}: {}", verdict.unwrap_or_default())
        }
        other => chain(other),
    };
    Error::Program { name, says }
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl From<ProgramError> for AttachError {
    fn from(error: ProgramError) -> Self {
        Self::Program(error)
    }
}

fn attach(ebpf: &mut Ebpf, name: &str, pin: &Path, cgroup: &fs::File) -> Result<(), AttachError> {
    let program = load(ebpf, name)?;
    match bpf_call::open_pinned(pin) {
        Ok(link) => {
            let fd = program.fd()?;
            bpf_call::replace_program(link.as_fd(), fd.as_fd()).map_err(AttachError::Pin)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let link = link(program, cgroup)?;
            link.pin(pin)
                .map_err(|error| AttachError::Pin(io::Error::other(error)))?;
            Ok(())
        }
        Err(error) => Err(AttachError::Pin(error)),
    }
}

fn load<'e>(ebpf: &'e mut Ebpf, name: &str) -> Result<&'e mut Program, ProgramError> {
    let program = ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?;
    match program {
        Program::CgroupSock(program) => program.load()?,
        Program::CgroupSockAddr(program) => program.load()?,
        Program::SockOps(program) => program.load()?,
        _ => return Err(ProgramError::UnexpectedProgramType),
    }
    Ok(program)
}

/// Attaches a program. A link has no mode: others may always attach beside it. The one named here
/// stands for no flags.
fn link(program: &mut Program, cgroup: &fs::File) -> Result<FdLink, AttachError> {
    const NO_FLAGS: CgroupAttachMode = CgroupAttachMode::Single;
    let link = match program {
        Program::CgroupSock(program) => {
            let id = program.attach(cgroup, NO_FLAGS)?;
            program.take_link(id)?.try_into()
        }
        Program::CgroupSockAddr(program) => {
            let id = program.attach(cgroup, NO_FLAGS)?;
            program.take_link(id)?.try_into()
        }
        Program::SockOps(program) => {
            let id = program.attach(cgroup, NO_FLAGS)?;
            program.take_link(id)?.try_into()
        }
        _ => return Err(ProgramError::UnexpectedProgramType.into()),
    };
    link.map_err(|error: LinkError| AttachError::Pin(io::Error::other(error)))
}
