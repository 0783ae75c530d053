//! Whether sockets can remember where they were going (`ORIGINS`).
//!
//! The programs put up with a socket that cannot: its connection works, but it is not counted. On a
//! machine where no socket can, that had better be said. From Linux 7.1 on the kernel takes the memory
//! without waiting for locks, which it does on no processor without `cmpxchg16b` (any since 2006 has
//! it, a virtual machine's may not).

use std::os::unix::net::UnixDatagram;

use aya::{
    Ebpf,
    maps::{MapError, SkStorage},
};
use sockvs_ebpf_common::Origin;

use super::Error;

/// The map's name in the object.
const NAME: &str = "ORIGINS";

/// Lets a socket of our own remember nothing in particular. (Any kind of socket will do.)
pub(super) fn try_remember(ebpf: &mut Ebpf) -> Result<(), Error> {
    let failed = |error| Error::Map { name: NAME, error };
    let map = ebpf
        .map_mut(NAME)
        .ok_or_else(|| failed(MapError::KeyNotFound))?;
    let mut origins = SkStorage::<_, Origin>::try_from(map).map_err(failed)?;
    let socket = UnixDatagram::unbound().map_err(|error| failed(MapError::IoError(error)))?;
    origins
        .insert(&socket, Origin::default(), 0)
        .map_err(failed)
}
