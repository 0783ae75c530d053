//! A service's record.

use std::{
    marker::PhantomData,
    ptr::{NonNull, addr_of, addr_of_mut},
    sync::atomic::{AtomicU8, AtomicU64, Ordering},
};

use sockvs_ebpf_common::{
    STATE_FREE, STATE_LIVE, Selection, Service as ServiceRecord, ServiceConfig,
    ServiceKey as RecordKey, Terms,
};

use super::{byte, read, word32, word64, write};
use crate::{datapath::chunks::Chunks, ipvs::Stats};

/// A service's record.
#[derive(Clone, Copy)]
pub(in crate::datapath) struct LiveService<'a> {
    record: NonNull<ServiceRecord>,
    /// The mapping stays for as long as the chunks are borrowed.
    chunks: PhantomData<&'a Chunks<ServiceRecord>>,
}

impl<'a> LiveService<'a> {
    /// The record with this index, if there is memory for it.
    pub(in crate::datapath) fn at(chunks: &'a Chunks<ServiceRecord>, index: u32) -> Option<Self> {
        Some(Self {
            record: chunks.at(index)?,
            chunks: PhantomData,
        })
    }

    /// Prepares a free record for a service. The other fields follow; `set_live` ends it.
    pub(in crate::datapath) fn begin(self, key: RecordKey, protocol: u16, born: u64) {
        let record = self.record.as_ptr();
        // SAFETY: the field is within the record.
        let number = word32(unsafe { addr_of_mut!((*record).use_number) });
        number.fetch_add(1, Ordering::AcqRel);
        // SAFETY: as above.
        let templates = word32(unsafe { addr_of_mut!((*record).templates) });
        templates.store(0, Ordering::Relaxed);
        // The record is free: no entry leads to it, and a program that still looks at its last use
        // compares key, generation and use.
        // SAFETY: the field is within the record.
        write(unsafe { addr_of_mut!((*record).key) }, key);
        // SAFETY: as above.
        write(unsafe { addr_of_mut!((*record).protocol) }, protocol);
        // SAFETY: as above.
        write(unsafe { addr_of_mut!((*record).born) }, born);
        self.zero();
    }

    /// Nothing was counted yet.
    pub(in crate::datapath) fn zero(self) {
        for counter in self.counters() {
            // Programs that count meanwhile do so before or after.
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// `conns` and what follows it.
    fn counters(self) -> [&'a AtomicU64; 5] {
        let record = self.record.as_ptr();
        [
            // SAFETY: the field is within the record.
            unsafe { addr_of_mut!((*record).conns) },
            // SAFETY: as above.
            unsafe { addr_of_mut!((*record).inpkts) },
            // SAFETY: as above.
            unsafe { addr_of_mut!((*record).outpkts) },
            // SAFETY: as above.
            unsafe { addr_of_mut!((*record).inbytes) },
            // SAFETY: as above.
            unsafe { addr_of_mut!((*record).outbytes) },
        ]
        .map(word64)
    }

    /// The key.
    pub(in crate::datapath) fn key(self) -> RecordKey {
        // SAFETY: the field is within the record.
        read(unsafe { addr_of!((*self.record.as_ptr()).key) })
    }

    /// The service's number in the order in which services were added.
    pub(in crate::datapath) fn born(self) -> u64 {
        // SAFETY: the field is within the record.
        read(unsafe { addr_of!((*self.record.as_ptr()).born) })
    }

    /// Which use of the record this is.
    pub(in crate::datapath) fn use_number(self) -> u32 {
        // SAFETY: the field is within the record.
        read(unsafe { addr_of!((*self.record.as_ptr()).use_number) })
    }

    /// The configuration.
    pub(in crate::datapath) fn config(self) -> ServiceConfig {
        let record = self.record.as_ptr();
        ServiceConfig {
            // SAFETY: the field is within the record.
            scheduler: read(unsafe { addr_of!((*record).scheduler) }),
            // SAFETY: as above.
            persistence_engine: read(unsafe { addr_of!((*record).persistence_engine) }),
            // SAFETY: as above.
            flags: read(unsafe { addr_of!((*record).flags) }),
            // SAFETY: as above.
            timeout: read(unsafe { addr_of!((*record).timeout) }),
            // SAFETY: as above.
            netmask: read(unsafe { addr_of!((*record).netmask) }),
        }
    }

    /// The protocol in full.
    pub(in crate::datapath) fn protocol(self) -> u16 {
        // SAFETY: the field is within the record.
        read(unsafe { addr_of!((*self.record.as_ptr()).protocol) })
    }

    /// The selection in force.
    pub(in crate::datapath) fn selection(self) -> Selection {
        let half = self.half(self.generation().load(Ordering::Acquire));
        // SAFETY: plain data within the record, of which programs change only the cursor.
        unsafe { half.read_volatile() }
    }

    /// Writes the configuration, which no program reads.
    pub(in crate::datapath) fn set_config(self, config: ServiceConfig) {
        let ServiceConfig {
            scheduler,
            persistence_engine,
            flags,
            timeout,
            netmask,
        } = config;
        let record = self.record.as_ptr();
        // SAFETY: the field is within the record.
        write(unsafe { addr_of_mut!((*record).scheduler) }, scheduler);
        // SAFETY: as above.
        let engine = unsafe { addr_of_mut!((*record).persistence_engine) };
        write(engine, persistence_engine);
        // SAFETY: as above.
        write(unsafe { addr_of_mut!((*record).flags) }, flags);
        // SAFETY: as above.
        write(unsafe { addr_of_mut!((*record).timeout) }, timeout);
        // SAFETY: as above.
        write(unsafe { addr_of_mut!((*record).netmask) }, netmask);
    }

    /// Puts a selection and terms into the halves that are not in force, then brings them into
    /// force.
    pub(in crate::datapath) fn bring_into_force(self, selection: Selection, terms: Terms) {
        let generation = self.generation();
        let next = generation.load(Ordering::Relaxed).wrapping_add(1);
        // SAFETY: no program follows this half; one that still reads it compares generations.
        unsafe { self.half(next).write_volatile(selection) };
        // SAFETY: as above.
        unsafe { self.terms_half(next).write_volatile(terms) };
        generation.store(next, Ordering::Release);
    }

    /// The terms in force.
    pub(in crate::datapath) fn terms(self) -> Terms {
        let half = self.terms_half(self.generation().load(Ordering::Acquire));
        // SAFETY: plain data within the record that only the daemon changes.
        unsafe { half.read_volatile() }
    }

    /// Brings terms into force with the selection that is in force already.
    pub(in crate::datapath) fn set_terms(self, terms: Terms) {
        if terms != self.terms() {
            self.bring_into_force(self.selection(), terms);
        }
    }

    /// Sets after how much silence, in nanoseconds, a socket's next datagram may go elsewhere.
    pub(in crate::datapath) fn set_udp_timeout(self, timeout: u64) {
        // SAFETY: the field is within the record.
        word64(unsafe { addr_of_mut!((*self.record.as_ptr()).udp_timeout) })
            .store(timeout, Ordering::Relaxed);
    }

    /// Whether anything was counted since the record was begun or zeroed.
    pub(in crate::datapath) fn has_counted(self) -> bool {
        let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed) > 0;
        self.counters().into_iter().any(counted)
    }

    /// What was counted since the record was begun. There are no rates.
    pub(in crate::datapath) fn stats(self) -> Stats {
        let counters = self.counters();
        let [conns, inpkts, outpkts, inbytes, outbytes] =
            counters.map(|counter| counter.load(Ordering::Relaxed));
        Stats {
            conns,
            inpkts,
            outpkts,
            inbytes,
            outbytes,
            ..Stats::default()
        }
    }

    /// Whether the service is in the table.
    pub(in crate::datapath) fn is_live(self) -> bool {
        self.state().load(Ordering::Acquire) == STATE_LIVE
    }

    /// The service is in the table.
    pub(in crate::datapath) fn set_live(self) {
        self.state().store(STATE_LIVE, Ordering::Release);
    }

    /// Nobody uses the record.
    pub(in crate::datapath) fn set_free(self) {
        self.state().store(STATE_FREE, Ordering::Release);
    }

    fn state(self) -> &'a AtomicU8 {
        // SAFETY: the field is within the record.
        byte(unsafe { addr_of_mut!((*self.record.as_ptr()).state) })
    }

    fn generation(self) -> &'a AtomicU64 {
        // SAFETY: the field is within the record.
        word64(unsafe { addr_of_mut!((*self.record.as_ptr()).generation) })
    }

    fn half(self, generation: u64) -> *mut Selection {
        // SAFETY: both selections are within the record.
        let halves =
            unsafe { addr_of_mut!((*self.record.as_ptr()).selections) }.cast::<Selection>();
        // SAFETY: the index is zero or one.
        unsafe { halves.add((generation & 1) as usize) }
    }
}

impl LiveService<'_> {
    fn terms_half(self, generation: u64) -> *mut Terms {
        // SAFETY: both terms are within the record.
        let halves = unsafe { addr_of_mut!((*self.record.as_ptr()).terms) }.cast::<Terms>();
        // SAFETY: the index is zero or one.
        unsafe { halves.add((generation & 1) as usize) }
    }
}
