//! Checks and flushes the table of the kernel's own IPVS: two tables for one namespace would
//! contradict each other.
//!
//! A loaded module alone is harmless: clients load it themselves, and with the hook attached none
//! of them reaches it any more. Only services in its table have an effect, and no client could see
//! them.

use std::{
    fs, io,
    os::fd::{AsFd as _, BorrowedFd},
};

use super::{Scope, kernel_client};
use sockvs_sys::netns::{self, inside};

/// The table of the calling thread's network namespace.
const TABLE: &str = "/proc/thread-self/net/ip_vs";
/// The number of lines of an empty table.
const HEADING: usize = 3;

/// Why the family cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum KernelTableError {
    /// The kernel's table is in use.
    #[error(
        "the kernel's own IPVS has services in {place} (number: {services}); remove them there \
            (ipvsadm -C), or let sockvsd do it: --replace-kernel-ipvs"
    )]
    Services {
        /// How many services it has.
        services: usize,
        /// The namespace.
        place: String,
    },
    /// Another program serves the family.
    #[error("another sockvsd serves IPVS in {0} already")]
    Served(String),
    /// The kernel's table cannot be read.
    #[error("cannot find out what the kernel's own IPVS holds in {place}")]
    Unknown {
        /// The namespace.
        place: String,
        /// The cause.
        #[source]
        error: io::Error,
    },
}

/// Ensures that nothing else serves the namespaces in the scope: with `replace` it removes the
/// services from the kernel's table, otherwise it refuses if there are any.
///
/// # Errors
///
/// When another IPVS is in use there.
pub fn clear_kernel_table(scope: Scope, replace: bool) -> Result<(), KernelTableError> {
    let namespaces = match scope {
        Scope::One(_) => netns::own(),
        Scope::All => netns::all(),
    };
    for (place, netns) in namespaces {
        clear_kernel_table_in(netns.as_fd(), &place, replace)?;
    }
    Ok(())
}

fn clear_kernel_table_in(
    netns: BorrowedFd<'_>,
    place: &str,
    replace: bool,
) -> Result<(), KernelTableError> {
    let unknown = |error| KernelTableError::Unknown {
        place: place.to_owned(),
        error,
    };
    if inside(netns, kernel_client::is_our_number_known).map_err(unknown)? {
        return Err(KernelTableError::Served(place.to_owned()));
    }
    let services = inside(netns, count).map_err(unknown)?;
    if services == 0 {
        return Ok(());
    }
    if !replace {
        return Err(KernelTableError::Services {
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

/// The number of services in the kernel's table.
fn count() -> io::Result<usize> {
    match fs::read_to_string(TABLE) {
        Ok(table) => {
            let lines = table.lines().skip(HEADING);
            // Lines with another beginning are destinations.
            Ok(lines
                .filter(|line| !line.trim_start().starts_with("->"))
                .count())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}
