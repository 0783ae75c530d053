//! What `sockvs-raw-conformance` is made of: [`generate`] makes datagrams that no client would
//! send, the same ones for the same seed, and [`talk`] sends them and gathers what comes back.
//! Neither knows what the answer should be: the kernel does.

pub mod generate;
pub mod talk;
