//! Persistence: the destination of a client for its next connections (the kernel's connection
//! templates).

use crate::{AddressWords, ServiceKey};

/// The client and the service. The key of the map `TEMPLATES`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TemplateKey {
    /// The service; with port zero where one template is for all of a client's ports.
    pub service: ServiceKey,
    /// The client's address under the service's mask. A client without an address of its own has
    /// its namespace's cookie in the first two words and ones in the last, which no mask touches.
    pub client: AddressWords,
}

/// The client's destination.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// When it expires, by the monotonic clock in nanoseconds.
    pub expires: u64,
    /// The index of the destination's record.
    pub destination: u32,
    /// The index of the service's record.
    pub service: u32,
    /// The server's address: the record may have become another's.
    pub address: AddressWords,
    /// How many connections it controls: it does not expire before they end.
    pub n_control: u64,
    /// The use of the destination's record that is meant ([`crate::Destination::use_number`]).
    pub destination_use: u32,
    /// The use of the service's record that is meant ([`crate::Service::use_number`]).
    pub service_use: u32,
    /// The server's port, network order.
    pub port: u16,
    /// Zero.
    pub zero: [u16; 3],
}
