//! The kernel's own IPVS: two tables for one namespace would contradict each other.
//!
//! A loaded module means nothing: clients load it themselves, and with the hook in force none of
//! them reaches it any more. Only services in its table do something, and nobody would see them.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::PathBuf,
};

use super::{Scope, kernel_client, namespace};
use crate::family::inside;

/// The table of the network namespace that the reading thread is in.
const TABLE: &str = "/proc/thread-self/net/ip_vs";
/// How many lines the table has when it is empty.
const HEADING: usize = 3;

/// Why the family cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum InTheWay {
    /// The kernel's table is in use.
    #[error(
        "the kernel's own IPVS has {services} services in the network namespace of {place}; take them out (ipvsadm -C there), or let sockvsd do that: --replace-kernel-ipvs"
    )]
    Services {
        /// How many services it has.
        services: usize,
        /// A file that stands for the namespace.
        place: String,
    },
    /// Somebody else serves the family.
    #[error("another sockvsd serves the network namespace of {0} already")]
    Served(String),
    /// The kernel does not say.
    #[error("cannot find out what the kernel's own IPVS holds in the network namespace of {place}")]
    Unknown {
        /// A file that stands for the namespace.
        place: String,
        /// What went wrong.
        #[source]
        error: io::Error,
    },
}

/// Sees to it that nothing else serves the namespaces that we are to serve: refuses, or removes the
/// services from the kernel's table if that is what is wanted.
///
/// # Errors
///
/// When something else does.
pub fn make_way(scope: Scope, replace: bool) -> Result<(), InTheWay> {
    let mut seen = HashSet::new();
    for place in places(scope) {
        // A process may have ended since it was listed.
        let Ok(file) = File::open(&place) else {
            continue;
        };
        let identity = file.metadata().map(|file| (file.dev(), file.ino()));
        if identity.is_ok_and(|identity| seen.insert(identity)) {
            let netns = OwnedFd::from(file);
            make_way_in(netns.as_fd(), &place.display().to_string(), replace)?;
        }
    }
    Ok(())
}

fn make_way_in(netns: BorrowedFd<'_>, place: &str, replace: bool) -> Result<(), InTheWay> {
    let unknown = |error| InTheWay::Unknown {
        place: place.to_owned(),
        error,
    };
    if inside(netns, kernel_client::is_our_number_known).map_err(unknown)? {
        return Err(InTheWay::Served(place.to_owned()));
    }
    let services = inside(netns, count).map_err(unknown)?;
    if services == 0 {
        return Ok(());
    }
    if !replace {
        return Err(InTheWay::Services {
            services,
            place: place.to_owned(),
        });
    }
    inside(netns, kernel_client::flush).map_err(unknown)?;
    tracing::warn!(
        services,
        place,
        "removed the services of the kernel's own IPVS"
    );
    Ok(())
}

/// How many services the kernel's table has.
fn count() -> io::Result<usize> {
    match fs::read_to_string(TABLE) {
        Ok(table) => {
            let lines = table.lines().skip(HEADING);
            // The lines that begin otherwise are destinations.
            Ok(lines
                .filter(|line| !line.trim_start().starts_with("->"))
                .count())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Files that stand for the namespaces. One that only sockets keep in being is not among them.
fn places(scope: Scope) -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from("/proc/thread-self/ns/net")];
    if scope == Scope::All {
        let entries = |folder: &str| fs::read_dir(folder).into_iter().flatten().flatten();
        for folder in namespace::NAMED {
            places.extend(entries(folder).map(|entry| entry.path()));
        }
        let processes = entries("/proc").filter(|entry| {
            entry
                .file_name()
                .as_encoded_bytes()
                .iter()
                .all(u8::is_ascii_digit)
        });
        places.extend(processes.map(|entry| entry.path().join("ns/net")));
    }
    places
}
