//! Typed references to the records in the maps. What a record means, and who may write which field,
//! is documented in `sockvs-ebpf-common`.
//!
//! A reference is a pointer that a look-up returned. The memory of a map's value stays mapped for
//! as long as a program runs: chunks and arrays are never freed, and the kernel defers the release
//! of a hash map's entry. So a reference is always valid to read and write, though the record may
//! have become another's meanwhile; `use_number`, `generation` and cookies detect that.
//!
//! Every access is volatile: other processors and the daemon change records at any time, and the
//! compiler must neither repeat, join nor move accesses.
//!
//! These files contain no logic beyond one record.

mod access;
mod connection;
mod destination;
mod flow;
mod service;
mod template;
mod tuple;

pub(crate) use connection::{ConnectionRef, OverflowRef};
pub(crate) use destination::DestinationRef;
pub(crate) use flow::FlowRef;
pub(crate) use service::{SelectionRef, ServiceRef};
pub(crate) use template::TemplateRef;
pub(crate) use tuple::TupleRef;
