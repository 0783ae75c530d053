//! Persistence: which server a client got, for when it comes again (the kernel's connection
//! templates).

use crate::{AddressWords, ServiceKey};

/// Who came to what. The key of the map `TEMPLATES`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TemplateKey {
    /// The service; with port zero where one template is for all of a client's ports.
    pub service: ServiceKey,
    /// The client's address under the service's mask. A client without an address of its own has
    /// its namespace's cookie in the first two words and ones in the last, which no mask touches.
    pub client: AddressWords,
}

/// Which server a client got.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// When it is forgotten, by the monotonic clock in nanoseconds.
    pub expires: u64,
    /// The index of the destination's record.
    pub destination: u32,
    /// The index of the service's record.
    pub service: u32,
    /// The server's address: the record may have become another's.
    pub address: AddressWords,
    /// How many connections that it gave this server there still are: it is not forgotten before
    /// them.
    pub controls: u64,
    /// The use of the destination's record that is meant ([`crate::Destination::use_number`]).
    pub destination_use: u32,
    /// The use of the service's record that is meant ([`crate::Service::use_number`]).
    pub service_use: u32,
    /// The server's port, network order.
    pub port: u16,
    /// Zero.
    pub zero: [u16; 3],
}
