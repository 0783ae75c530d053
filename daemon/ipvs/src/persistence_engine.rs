//! The persistence engines, by name (`ip_vs_pe.c`): what a service may look at, besides the
//! client's address, to send a client to the same destination again. Looking is not done here.

/// A persistence engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PersistenceEngine {
    /// The call identifier of SIP over UDP.
    Sip,
}

impl PersistenceEngine {
    /// Every engine there is.
    pub const ALL: &[Self] = &[Self::Sip];

    /// The name by which clients ask for it and see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sip => "sip",
        }
    }

    /// The engine of this name (`ip_vs_pe_getbyname`), if there is one. The name comes without its
    /// terminating NUL; case matters.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|engine| engine.name().as_bytes() == name)
    }
}
