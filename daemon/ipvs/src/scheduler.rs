//! The schedulers, by name (`ip_vs_sched.c`). The data path implements them.

macro_rules! schedulers {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The method by which a service chooses the destination of a new connection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Scheduler {
            $($(#[$doc])* $variant,)*
        }

        impl Scheduler {
            /// All schedulers.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name that clients send and see.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

schedulers! {
    /// No scheduler: the service takes no new connections.
    None = "none",
    /// The destinations in turn.
    RoundRobin = "rr",
    /// The destinations in turn, each as often as its weight.
    WeightedRoundRobin = "wrr",
    /// The one with the least connections.
    LeastConnection = "lc",
    /// The one with the least connections for its weight.
    WeightedLeastConnection = "wlc",
    /// The one that would have the least established connections for its weight.
    ShortestExpectedDelay = "sed",
    /// An idle one, or otherwise like shortest expected delay.
    NeverQueue = "nq",
    /// The one with the highest weight.
    Failover = "fo",
    /// The one with the highest weight whose established connections do not exceed its weight.
    Overflow = "ovf",
    /// The less loaded one of two that are drawn by weight.
    TwoChoices = "twos",
    /// By a hash of the client's address.
    SourceHash = "sh",
    /// By a hash of the virtual address.
    DestinationHash = "dh",
    /// By a hash of the client's address; few clients move when servers are added or removed.
    Maglev = "mh",
    /// Always the same one for a virtual address, until it is overloaded.
    LocalityLeastConnection = "lblc",
    /// One of a set for a virtual address, until they are overloaded.
    LocalityLeastConnectionReplicated = "lblcr",
}

impl Scheduler {
    /// The scheduler of this name (`ip_vs_scheduler_get`); `None` if it does not exist. The name
    /// has no terminating NUL; case matters.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|scheduler| scheduler.name().as_bytes() == name)
    }
}
