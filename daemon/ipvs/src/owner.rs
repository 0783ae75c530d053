//! Who a network namespace belongs to. What the machine has is shared between owners, not between
//! namespaces: a user may make as many of those as they like.

use std::fmt;

/// The owner of a network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// The initial user namespace: the machine's administrators.
    #[default]
    Host,
    /// A user, who made a user namespace, however far below that the network namespace is.
    User(u32),
    /// A user namespace that root made, by its inode: as a rule a container.
    UserNamespace(u64),
}

impl Owner {
    /// Whether it is the machine's own.
    pub fn is_host(self) -> bool {
        self == Self::Host
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("the initial user namespace"),
            Self::User(uid) => write!(f, "uid {uid}"),
            Self::UserNamespace(inode) => write!(f, "user namespace {inode}"),
        }
    }
}
