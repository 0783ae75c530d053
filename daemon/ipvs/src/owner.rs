//! The owner of a network namespace. Resources are divided among owners, not among namespaces: a
//! user can create any number of namespaces.

use std::fmt;

/// The owner of a network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// The initial user namespace: the machine's administrators.
    #[default]
    Host,
    /// A user who created a user namespace, at any depth above the network namespace.
    User(u32),
    /// A user namespace that root created, by its inode: usually a container.
    UserNamespace(u64),
}

impl Owner {
    /// Whether it is the initial user namespace.
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
