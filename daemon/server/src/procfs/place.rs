//! The paths at which programs look for the files of IPVS.

use super::File;
use crate::state::{IpvsState, Tables};
use sockvs_ipvs::{Namespace, Setting, Table};

/// The file at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file of IPVS in `/proc/net`.
    File(File),
    /// A setting's file in `/proc/sys/net/ipv4/vs`.
    Setting(Setting),
}

impl Place {
    /// Longer than every path of such a file.
    pub const LONGEST: usize = 64;

    /// The file at an absolute path. The path is not resolved: other spellings of the same path are
    /// not recognised.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/proc/")?;
        if let Some(name) = rest.strip_prefix("sys/net/ipv4/vs/") {
            return Setting::from_name(name).map(Self::Setting);
        }
        let rest = rest.strip_prefix("self/").unwrap_or(rest);
        let rest = rest.strip_prefix("thread-self/").unwrap_or(rest);
        File::from_name(rest.strip_prefix("net/")?).map(Self::File)
    }

    /// The file's contents in a network namespace. Reading does not create a table, as the reader's
    /// namespace may not be watched.
    #[must_use]
    pub fn text(self, state: &IpvsState, ns: Namespace) -> String {
        let tables = state.lock();
        let Tables { ipvs, path } = &*tables;
        let none;
        let table = match ipvs.table(ns) {
            Some(table) => table,
            None => {
                none = Table::new(ns);
                &none
            }
        };
        match self {
            Self::File(file) => file.text(table, path.as_ref()),
            Self::Setting(setting) => table.settings().text(setting) + "\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_files_and_settings() {
        for (path, place) in [
            ("/proc/net/ip_vs", Some(Place::File(File::Table))),
            (
                "/proc/self/net/ip_vs_conn",
                Some(Place::File(File::Connections)),
            ),
            (
                "/proc/thread-self/net/ip_vs_stats",
                Some(Place::File(File::Totals)),
            ),
            (
                "/proc/sys/net/ipv4/vs/expire_quiescent_template",
                Some(Place::Setting(Setting::ExpireQuiescentTemplate)),
            ),
            ("/proc/net/tcp", None),
            ("/proc/net/ip_vs/x", None),
            ("/proc/sys/net/ipv4/ip_forward", None),
            ("proc/net/ip_vs", None),
            ("/etc/passwd", None),
        ] {
            assert_eq!(Place::of_path(path), place, "{path}");
            assert!(path.len() < Place::LONGEST);
        }
    }
}
