//! What the programs of `src/bin` share with each other and with the tests: netlink messages byte
//! by byte, random numbers, system calls that no library has. Nothing here starts or ends anything.

pub mod answering;
pub mod genetlink;
pub mod hex;
pub mod random;
pub mod unconnected;
pub mod wire;
