//! What may differ between the kernel's answers and ours, or between two answers of the kernel's.
//!
//! There are as few rules as possible. A rule is named in each scenario that needs it, and in the
//! report. None of them hides a difference in what a line says.

use std::borrow::Cow;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mask {
    /// Where a listing is not sorted, services come in the order of the kernel's hash table. The
    /// hash takes in the address of the namespace's structure, so the kernel itself gives another
    /// order in each namespace. Services, each with its servers, are put in order of their text.
    /// The order of the servers of a service is compared.
    ServiceOrder,
}

impl Mask {
    /// Every rule there is.
    const ALL: [Self; 1] = [Self::ServiceOrder];

    /// The rule of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mask| mask.name() == name)
    }

    /// Its name in scenarios.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ServiceOrder => "service-order",
        }
    }

    /// What is left to compare of a standard output.
    pub(crate) fn apply(self, stdout: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::ServiceOrder => order_services(stdout).into(),
        }
    }
}

/// Puts runs of a service's line and those of its servers in order. Other lines stay where they
/// are, and end such a sequence.
fn order_services(stdout: &[u8]) -> Vec<u8> {
    let mut ordered = Vec::with_capacity(stdout.len());
    let mut services: Vec<Vec<u8>> = Vec::new();
    for line in stdout.split_inclusive(|byte| *byte == b'\n') {
        match Kind::of(line) {
            Kind::Service => services.push(line.to_vec()),
            Kind::Server if !services.is_empty() => {
                services.iter_mut().last().into_iter().for_each(|service| {
                    service.extend_from_slice(line);
                });
            }
            Kind::Server | Kind::Other => {
                services.sort();
                ordered.extend(services.drain(..).flatten());
                ordered.extend_from_slice(line);
            }
        }
    }
    services.sort();
    ordered.extend(services.into_iter().flatten());
    ordered
}

/// What a line of a listing, or of rules, is about.
enum Kind {
    Service,
    Server,
    Other,
}

impl Kind {
    fn of(line: &[u8]) -> Self {
        let starts_with = |starts: &[&str]| {
            let mut starts = starts.iter();
            starts.any(|start| line.starts_with(start.as_bytes()))
        };
        if starts_with(&["TCP  ", "UDP  ", "SCTP ", "FWM  ", "-A "]) {
            Self::Service
        } else if starts_with(&["  -> ", "-a "]) {
            Self::Server
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mask;

    #[test]
    fn services_are_put_in_order_and_servers_are_not() {
        let listing = "Prot\n  -> Remote\nTCP  b\n  -> 2\n  -> 1\nTCP  a\n  -> 3\n";
        let ordered = "Prot\n  -> Remote\nTCP  a\n  -> 3\nTCP  b\n  -> 2\n  -> 1\n";
        let masked = Mask::ServiceOrder.apply(listing.as_bytes());
        assert_eq!(masked, ordered.as_bytes());
    }

    #[test]
    fn a_changed_byte_is_still_seen() {
        let (one, other) = ("-A -t a\n-a -t a -r 1\n", "-A -t a\n-a -t a -r 2\n");
        let mask = Mask::ServiceOrder;
        assert_ne!(mask.apply(one.as_bytes()), mask.apply(other.as_bytes()));
    }
}
