//! The persistence engines, by name (`ip_vs_pe.c`): the data, besides the client's address, by
//! which a service recognises a client. The engines are not implemented here.

/// A persistence engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PersistenceEngine {
    /// The call identifier of SIP over UDP.
    Sip,
}

impl PersistenceEngine {
    /// All engines.
    pub const ALL: &[Self] = &[Self::Sip];

    /// The name that clients send and see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sip => "sip",
        }
    }

    /// The engine of this name (`ip_vs_pe_getbyname`); `None` if it does not exist. The name has no
    /// terminating NUL; case matters.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|engine| engine.name().as_bytes() == name)
    }
}
