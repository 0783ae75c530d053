//! Loading the eBPF programs, attaching them to a cgroup, and pinning what must outlive the daemon.
//!
//! Maps and links are pinned. A daemon that starts reuses the maps and replaces the programs of the
//! links, so that the data path is never interrupted.

use std::{
    io,
    path::{Path, PathBuf},
};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Map, MapError},
};
use sockvs_ebpf_common::{
    DESTINATION_CHUNKS, DESTINATIONS_PER_CHUNK, Destination, SERVICE_CHUNKS, SERVICES_PER_CHUNK,
    SLOT_CHUNKS, SLOTS_PER_CHUNK, Service,
};

use crate::Limits;
use crate::addresses;
use crate::connections::socket_layout::socket_layout;
use crate::connections::walk::{self, Walkers};
use crate::loading::attach::{attach, chain, load, refused};
use crate::loading::capacity::Capacity;
use crate::loading::layout::Layouts;
use crate::records::chunks::Outer;
use crate::templates::TemplateWalker;
use crate::upgrade::Migration;
use sockvs_ipvs::Namespace;
use sockvs_sys::{
    bpffs::{self, PinDirectory},
    cgroup,
};

/// Each program, by its name in the object and the name of its link in the pin directory. Programs
/// that count come first, so that no connection goes to a server without being counted.
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

/// Why the data path could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cgroup cannot be used.
    #[error(transparent)]
    Cgroup(#[from] cgroup::Error),
    /// The pin directory cannot be used.
    #[error(transparent)]
    PinDirectory(#[from] bpffs::Error),
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
        /// The kernel's error, in one line.
        says: String,
    },
    /// The programs that read open connections cannot be used.
    #[error("open connections cannot be read: {0}")]
    Looking(String),
    /// A link or a map cannot be pinned or opened.
    #[error("cannot use {}", path.display())]
    Pin {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        error: io::Error,
    },
    /// The maps of another version cannot be migrated, or the directory cannot be marked as ours.
    #[error("cannot take over the maps of another version (sockvsd --detach-all gives them up)")]
    Migration(#[source] io::Error),
    /// A map has wrong parameters.
    #[error("the map {name} cannot be used")]
    Map {
        /// The map.
        name: &'static str,
        /// The cause.
        #[source]
        error: MapError,
    },
}

/// The loaded and attached programs, and their maps.
pub struct Programs {
    ebpf: Ebpf,
    pins: PinDirectory,
    walkers: Option<Walkers>,
    templates: Option<TemplateWalker>,
    capacity: Capacity,
}

impl Programs {
    /// Loads the programs and attaches them to `cgroup`, or replaces those of an earlier daemon.
    /// With `node_wide`, the services of that namespace apply to every namespace.
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
        let cgroup_file = cgroup::open_cgroup(cgroup)?;
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
        // The kernel refuses a map without entries.
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
            .load(sockvs_programs::SOCKET)
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
            Ok(_) => Walkers::load(&mut ebpf, capacity.groups)
                .and_then(|walkers| Ok((walkers, TemplateWalker::load(&mut ebpf)?)))
                .map_err(|error| chain(&error)),
            Err(error) => Err(chain(error)),
        };
        if let Err(error) = &looking {
            tracing::warn!(%error, "open connections will not be listed, and are counted when \
                they end");
        }
        let (walkers, templates) = looking.ok().unzip();
        Ok(Self {
            ebpf,
            pins,
            walkers,
            templates,
            capacity,
        })
    }

    /// Keeps the data path when this value is dropped. Before this call, dropping it removes what
    /// it created.
    pub fn keep(&mut self) {
        self.pins.keep();
    }

    /// Loads the programs to check whether the kernel accepts them, and unloads them. Nothing is
    /// attached or pinned.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn try_load() -> Result<(), Error> {
        let mut ebpf = EbpfLoader::new()
            .load(sockvs_programs::SOCKET)
            .map_err(|error| Error::Load(Box::new(error)))?;
        for (name, _) in PROGRAMS {
            load(&mut ebpf, name).map_err(|error| refused(name, &error))?;
        }
        Walkers::load(&mut ebpf, 1)
            .and_then(|_| TemplateWalker::load(&mut ebpf))
            .map(drop)
            .map_err(|error| match error {
                walk::Error::Load(name, error) => refused(name, &error),
                other => Error::Looking(chain(&other)),
            })
    }

    /// Takes the programs that read connections, if they are supported.
    pub(crate) fn take_walkers(&mut self) -> Option<Walkers> {
        self.walkers.take()
    }

    /// Takes the program that reads templates, if it is supported.
    pub(crate) fn take_templates(&mut self) -> Option<TemplateWalker> {
        self.templates.take()
    }

    /// The size of the maps that the programs fill.
    pub(crate) fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// Takes a map out of the object.
    pub(crate) fn take_map(&mut self, name: &'static str) -> Result<Map, Error> {
        let missing = || Error::Map {
            name,
            error: MapError::KeyNotFound,
        };
        self.ebpf.take_map(name).ok_or_else(missing)
    }
}

/// Removes the data path: existing connections go on, new ones are no longer balanced.
///
/// # Errors
///
/// When a daemon runs on the pin directory, or a file in it cannot be removed.
pub fn detach_all(pin_dir: &Path) -> Result<(), Error> {
    if !pin_dir.exists() {
        return Ok(());
    }
    let pins = PinDirectory::open(pin_dir)?;
    pins.remove().map_err(|error| {
        let path = pin_dir.to_owned();
        bpffs::Error::Unusable { path, error }.into()
    })
}
