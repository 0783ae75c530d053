//! The schedulers, by name (`ip_vs_sched.c`). How each one chooses is the data path's business.

macro_rules! schedulers {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// How a service chooses the destination of a new connection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Scheduler {
            $($(#[$doc])* $variant,)*
        }

        impl Scheduler {
            /// Every scheduler there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name by which clients ask for it and see it.
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
    /// One destination after the other.
    RoundRobin = "rr",
    /// One after the other, each as often as its weight says.
    WeightedRoundRobin = "wrr",
    /// The one with the least connections.
    LeastConnection = "lc",
    /// The one with the least connections for its weight.
    WeightedLeastConnection = "wlc",
    /// The one that would have the least established connections for its weight.
    ShortestExpectedDelay = "sed",
    /// One that has nothing to do, or else as the shortest expected delay.
    NeverQueue = "nq",
    /// The one with the highest weight.
    Failover = "fo",
    /// The one with the highest weight that has no more established connections than that.
    Overflow = "ovf",
    /// The one with less to do of two that are drawn by weight.
    TwoChoices = "twos",
    /// The one that the client's address leads to.
    SourceHash = "sh",
    /// The one that the virtual address leads to.
    DestinationHash = "dh",
    /// The one that the client's address leads to; few clients move when servers come and go.
    Maglev = "mh",
    /// Always the same one, until it has too much to do.
    LocalityLeastConnection = "lblc",
    /// One of those that were chosen before, until they have too much to do.
    LocalityLeastConnectionReplicated = "lblcr",
}

impl Scheduler {
    /// The scheduler of this name (`ip_vs_scheduler_get`), if there is one. The name comes without
    /// its terminating NUL; case matters.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|scheduler| scheduler.name().as_bytes() == name)
    }
}
