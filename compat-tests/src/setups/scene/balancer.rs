//! Which IPVS a scenario is played against.

/// Who balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balancer {
    /// The kernel's own IPVS.
    Kernel,
    /// sockvs.
    Sockvs,
}
