//! A service's record.

use std::{
    marker::PhantomData,
    ptr::NonNull,
    sync::atomic::{AtomicU8, AtomicU64, Ordering},
};

use sockvs_ebpf_common::{
    STATE_FREE, STATE_LIVE, SchedParams, Selection, Service as ServiceRecord, ServiceConfig,
    ServiceKey as RecordKey,
};

use crate::records::chunks::Chunks;
use crate::records::live::{Field, counters, field};
use sockvs_ipvs::Stats;

/// A service's record.
#[derive(Clone, Copy)]
pub(crate) struct LiveService<'a> {
    record: NonNull<ServiceRecord>,
    /// The mapping stays for as long as the chunks are borrowed.
    chunks: PhantomData<&'a Chunks<ServiceRecord>>,
}

impl<'a> LiveService<'a> {
    /// The record with this index, if there is memory for it.
    pub(crate) fn at(chunks: &'a Chunks<ServiceRecord>, index: u32) -> Option<Self> {
        Some(Self {
            record: chunks.at(index)?,
            chunks: PhantomData,
        })
    }

    /// Prepares a free record for a service. The other fields must be written next, and then
    /// `set_live`.
    pub(crate) fn begin(self, key: RecordKey, protocol: u16, born: u64) {
        let number = field!(self.use_number).atomic();
        number.fetch_add(1, Ordering::AcqRel);
        let templates = field!(self.templates).atomic();
        templates.store(0, Ordering::Relaxed);
        // The record is free: no entry refers to it, and a program that still reads its last use
        // compares key, generation and use.
        field!(self.key).write(key);
        field!(self.protocol).write(protocol);
        field!(self.born).write(born);
        self.zero();
    }

    /// Zeroes the counters.
    pub(crate) fn zero(self) {
        counters!(self).zero();
    }

    /// The key.
    pub(crate) fn key(self) -> RecordKey {
        field!(self.key).read()
    }

    /// The service's number in the order of creation.
    pub(crate) fn born(self) -> u64 {
        field!(self.born).read()
    }

    /// The number of the record's current use.
    pub(crate) fn use_number(self) -> u32 {
        field!(self.use_number).read()
    }

    /// The configuration.
    pub(crate) fn config(self) -> ServiceConfig {
        ServiceConfig {
            scheduler: field!(self.scheduler).read(),
            persistence_engine: field!(self.persistence_engine).read(),
            flags: field!(self.flags).read(),
            timeout: field!(self.timeout).read(),
            netmask: field!(self.netmask).read(),
        }
    }

    /// The protocol with all its bits.
    pub(crate) fn protocol(self) -> u16 {
        field!(self.protocol).read()
    }

    /// The selection in force.
    pub(crate) fn selection(self) -> Selection {
        self.half(self.generation().load(Ordering::Acquire)).read()
    }

    /// Writes the configuration, which no program reads.
    pub(crate) fn set_config(self, config: ServiceConfig) {
        let ServiceConfig {
            scheduler,
            persistence_engine,
            flags,
            timeout,
            netmask,
        } = config;
        field!(self.scheduler).write(scheduler);
        field!(self.persistence_engine).write(persistence_engine);
        field!(self.flags).write(flags);
        field!(self.timeout).write(timeout);
        field!(self.netmask).write(netmask);
    }

    /// Writes a selection and terms to the halves that are not in force, and then brings them into
    /// force.
    pub(crate) fn bring_into_force(self, selection: Selection, terms: SchedParams) {
        let generation = self.generation();
        let next = generation.load(Ordering::Relaxed).wrapping_add(1);
        // No program uses this half; one that still reads it compares generations.
        self.half(next).write(selection);
        self.terms_half(next).write(terms);
        generation.store(next, Ordering::Release);
    }

    /// The terms in force.
    pub(crate) fn terms(self) -> SchedParams {
        self.terms_half(self.generation().load(Ordering::Acquire))
            .read()
    }

    /// Brings terms into force, with the selection that is already in force.
    pub(crate) fn set_terms(self, terms: SchedParams) {
        if terms != self.terms() {
            self.bring_into_force(self.selection(), terms);
        }
    }

    /// Sets the idle time in nanoseconds after which a socket's next datagram may get another
    /// server.
    pub(crate) fn set_udp_timeout(self, timeout: u64) {
        field!(self.udp_timeout)
            .atomic()
            .store(timeout, Ordering::Relaxed);
    }

    /// Whether anything was counted since the record was initialised or zeroed.
    pub(crate) fn has_counted(self) -> bool {
        counters!(self).any()
    }

    /// The counters since the record was initialised. The rates are zero.
    pub(crate) fn stats(self) -> Stats {
        counters!(self).stats()
    }

    /// Whether the service is in the table.
    pub(crate) fn is_live(self) -> bool {
        self.state().load(Ordering::Acquire) == STATE_LIVE
    }

    /// Marks the service as in the table.
    pub(crate) fn set_live(self) {
        self.state().store(STATE_LIVE, Ordering::Release);
    }

    /// Marks the record as free.
    pub(crate) fn set_free(self) {
        self.state().store(STATE_FREE, Ordering::Release);
    }

    fn state(self) -> &'a AtomicU8 {
        field!(self.state).atomic()
    }

    fn generation(self) -> &'a AtomicU64 {
        field!(self.generation).atomic()
    }

    fn half(self, generation: u64) -> Field<'a, Selection> {
        match generation & 1 {
            0 => field!(self.selections[0]),
            _ => field!(self.selections[1]),
        }
    }

    fn terms_half(self, generation: u64) -> Field<'a, SchedParams> {
        match generation & 1 {
            0 => field!(self.params[0]),
            _ => field!(self.params[1]),
        }
    }
}
