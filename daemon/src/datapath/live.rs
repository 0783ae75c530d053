//! Reading and writing records that the eBPF programs may be looking at.
//!
//! All unsafe access to the mapped records is here. Each method says who else may look at the words
//! it touches. In what order things are done to bring a change into force is decided in `publish`.

use std::{
    marker::PhantomData,
    ptr::{NonNull, addr_of, addr_of_mut},
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use sockvs_ebpf_common::{
    Destination as DestinationRecord, DestinationConfig, STATE_FREE, STATE_LIVE, Selection,
    Service as ServiceRecord, ServiceConfig, ServiceKey as RecordKey, Terms,
};

use super::{chunks::Chunks, records};
use crate::ipvs::{DestinationKey, DestinationReading, Family, Stats};

/// A service's record.
#[derive(Clone, Copy)]
pub(super) struct LiveService<'a> {
    record: NonNull<ServiceRecord>,
    /// The mapping stays for as long as the chunks are borrowed.
    chunks: PhantomData<&'a Chunks<ServiceRecord>>,
}

/// A destination's record.
#[derive(Clone, Copy)]
pub(super) struct LiveDestination<'a> {
    record: NonNull<DestinationRecord>,
    /// The mapping stays for as long as the chunks are borrowed.
    chunks: PhantomData<&'a Chunks<DestinationRecord>>,
}

impl<'a> LiveService<'a> {
    /// The record with this index, if there is memory for it.
    pub(super) fn at(chunks: &'a Chunks<ServiceRecord>, index: u32) -> Option<Self> {
        Some(Self {
            record: chunks.at(index)?,
            chunks: PhantomData,
        })
    }

    /// Prepares a free record for a service. The other fields follow; `set_live` ends it.
    pub(super) fn begin(self, key: RecordKey, born: u64) {
        let record = self.record.as_ptr();
        // The record is free: no entry leads to it, and a program that still looks at its last use
        // compares key and generation, or at worst counts one connection of that use.
        // SAFETY: the field is within the record.
        write(unsafe { addr_of_mut!((*record).key) }, key);
        // SAFETY: as above.
        write(unsafe { addr_of_mut!((*record).born) }, born);
        for counter in [
            // SAFETY: as above.
            unsafe { addr_of_mut!((*record).conns) },
            // SAFETY: as above.
            unsafe { addr_of_mut!((*record).inpkts) },
            // SAFETY: as above.
            unsafe { addr_of_mut!((*record).outpkts) },
            // SAFETY: as above.
            unsafe { addr_of_mut!((*record).inbytes) },
            // SAFETY: as above.
            unsafe { addr_of_mut!((*record).outbytes) },
        ] {
            write(counter, 0);
        }
        self.set_zero_point(&Stats::default());
    }

    /// What was counted when a client last zeroed the counters.
    pub(super) fn zero_point(self) -> Stats {
        // SAFETY: the field is within the record.
        from_counters(read(unsafe {
            addr_of!((*self.record.as_ptr()).zero_point)
        }))
    }

    /// A client has zeroed the counters.
    pub(super) fn set_zero_point(self, zero: &Stats) {
        // SAFETY: the field is within the record.
        let at = unsafe { addr_of_mut!((*self.record.as_ptr()).zero_point) };
        write(at, to_counters(zero));
    }

    /// The key.
    pub(super) fn key(self) -> RecordKey {
        // SAFETY: the field is within the record.
        read(unsafe { addr_of!((*self.record.as_ptr()).key) })
    }

    /// The service's number in the order in which services were added.
    pub(super) fn born(self) -> u64 {
        // SAFETY: the field is within the record.
        read(unsafe { addr_of!((*self.record.as_ptr()).born) })
    }

    /// The configuration that holds.
    pub(super) fn config(self) -> ServiceConfig {
        // SAFETY: the field is within the record.
        let which = word32(unsafe { addr_of_mut!((*self.record.as_ptr()).config) });
        // SAFETY: both configurations are within the record.
        let halves = unsafe { addr_of!((*self.record.as_ptr()).configs) }.cast::<ServiceConfig>();
        // SAFETY: the index is zero or one.
        let half = unsafe { halves.add((which.load(Ordering::Acquire) & 1) as usize) };
        // SAFETY: plain data that only the daemon changes.
        unsafe { half.read_volatile() }
    }

    /// The selection in force.
    pub(super) fn selection(self) -> Selection {
        let half = self.half(self.generation().load(Ordering::Acquire));
        // SAFETY: plain data within the record, of which programs change only the cursor.
        unsafe { half.read_volatile() }
    }

    /// Writes the configuration that does not hold, then makes it hold.
    pub(super) fn set_config(self, config: ServiceConfig) {
        let record = self.record.as_ptr();
        // SAFETY: the field is within the record.
        let which = word32(unsafe { addr_of_mut!((*record).config) });
        // SAFETY: both configurations are within the record.
        let halves = unsafe { addr_of_mut!((*record).configs) }.cast::<ServiceConfig>();
        let next = which.load(Ordering::Relaxed).wrapping_add(1);
        // SAFETY: the index is zero or one.
        let half = unsafe { halves.add((next & 1) as usize) };
        // SAFETY: no program reads configurations, and this half does not hold yet.
        unsafe { half.write_volatile(config) };
        which.store(next, Ordering::Release);
    }

    /// Puts a selection and terms into the halves that are not in force, then brings them into
    /// force.
    pub(super) fn bring_into_force(self, selection: Selection, terms: Terms) {
        let generation = self.generation();
        let next = generation.load(Ordering::Relaxed).wrapping_add(1);
        // SAFETY: no program follows this half; one that still reads it compares generations.
        unsafe { self.half(next).write_volatile(selection) };
        // SAFETY: as above.
        unsafe { self.terms_half(next).write_volatile(terms) };
        generation.store(next, Ordering::Release);
    }

    /// The terms in force.
    pub(super) fn terms(self) -> Terms {
        let half = self.terms_half(self.generation().load(Ordering::Acquire));
        // SAFETY: plain data within the record that only the daemon changes.
        unsafe { half.read_volatile() }
    }

    /// Brings terms into force with the selection that is in force already.
    pub(super) fn set_terms(self, terms: Terms) {
        if terms != self.terms() {
            self.bring_into_force(self.selection(), terms);
        }
    }

    /// Sets after how much silence, in nanoseconds, a socket's next datagram may go elsewhere.
    pub(super) fn set_udp_timeout(self, timeout: u64) {
        // SAFETY: the field is within the record.
        word64(unsafe { addr_of_mut!((*self.record.as_ptr()).udp_timeout) })
            .store(timeout, Ordering::Relaxed);
    }

    /// How many choices the selection in force has made, counted from where it was put.
    pub(super) fn cursor(self) -> u64 {
        let half = self.half(self.generation().load(Ordering::Relaxed));
        // SAFETY: the field is within the record.
        word64(unsafe { addr_of_mut!((*half).cursor) }).load(Ordering::Relaxed)
    }

    /// What was counted since the record was begun. There are no rates.
    pub(super) fn stats(self) -> Stats {
        // SAFETY: plain data, of which programs change words whole.
        let record = unsafe { self.record.as_ptr().read_volatile() };
        Stats {
            conns: record.conns,
            inpkts: record.inpkts,
            outpkts: record.outpkts,
            inbytes: record.inbytes,
            outbytes: record.outbytes,
            ..Stats::default()
        }
    }

    /// Whether the service is in the table.
    pub(super) fn is_live(self) -> bool {
        self.state().load(Ordering::Acquire) == STATE_LIVE
    }

    /// The service is in the table.
    pub(super) fn set_live(self) {
        self.state().store(STATE_LIVE, Ordering::Release);
    }

    /// Nobody uses the record.
    pub(super) fn set_free(self) {
        self.state().store(STATE_FREE, Ordering::Release);
    }

    fn state(self) -> &'a AtomicU32 {
        // SAFETY: the field is within the record.
        word32(unsafe { addr_of_mut!((*self.record.as_ptr()).state) })
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

impl<'a> LiveDestination<'a> {
    /// The record with this index, if there is memory for it.
    pub(super) fn at(chunks: &'a Chunks<DestinationRecord>, index: u32) -> Option<Self> {
        Some(Self {
            record: chunks.at(index)?,
            chunks: PhantomData,
        })
    }

    /// Prepares a free record for a destination of the service with index `owner`. `counted` keeps
    /// what was counted, for a destination that comes back. The other fields follow; `set_live`
    /// ends it.
    pub(super) fn begin(self, key: &DestinationKey, owner: u32, born: u64, counted: bool) {
        let record = self.record.as_ptr();
        // The record is free: no slot in force leads to it, and a program that still looks at its
        // last use compares generations, or at worst counts one connection of that use.
        // SAFETY: the field is within the record.
        write(
            unsafe { addr_of_mut!((*record).address) },
            records::address_words(key.addr),
        );
        // SAFETY: as above.
        write(unsafe { addr_of_mut!((*record).port) }, key.port.to_be());
        let family = records::family(Family::of(key.addr));
        // SAFETY: as above.
        write(unsafe { addr_of_mut!((*record).family) }, family);
        // SAFETY: as above.
        write(unsafe { addr_of_mut!((*record).service) }, owner);
        // SAFETY: as above.
        write(unsafe { addr_of_mut!((*record).born) }, born);
        if !counted {
            for counter in [
                // SAFETY: as above.
                unsafe { addr_of_mut!((*record).conns) },
                // SAFETY: as above.
                unsafe { addr_of_mut!((*record).inpkts) },
                // SAFETY: as above.
                unsafe { addr_of_mut!((*record).outpkts) },
                // SAFETY: as above.
                unsafe { addr_of_mut!((*record).inbytes) },
                // SAFETY: as above.
                unsafe { addr_of_mut!((*record).outbytes) },
            ] {
                write(counter, 0);
            }
        }
    }

    /// What was counted when a client last zeroed the counters.
    pub(super) fn zero_point(self) -> Stats {
        // SAFETY: the field is within the record.
        from_counters(read(unsafe {
            addr_of!((*self.record.as_ptr()).zero_point)
        }))
    }

    /// A client has zeroed the counters.
    pub(super) fn set_zero_point(self, zero: &Stats) {
        // SAFETY: the field is within the record.
        let at = unsafe { addr_of_mut!((*self.record.as_ptr()).zero_point) };
        write(at, to_counters(zero));
    }

    /// The whole record.
    pub(super) fn read(self) -> DestinationRecord {
        // SAFETY: plain data, of which programs change only the counter.
        unsafe { self.record.as_ptr().read_volatile() }
    }

    /// Writes the configuration that does not hold, then makes it hold.
    pub(super) fn set_config(self, config: DestinationConfig) {
        let record = self.record.as_ptr();
        // SAFETY: the field is within the record.
        let which = word32(unsafe { addr_of_mut!((*record).config) });
        // SAFETY: both configurations are within the record.
        let halves = unsafe { addr_of_mut!((*record).configs) }.cast::<DestinationConfig>();
        let next = which.load(Ordering::Relaxed).wrapping_add(1);
        // SAFETY: the index is zero or one.
        let half = unsafe { halves.add((next & 1) as usize) };
        // SAFETY: no program reads configurations, and this half does not hold yet.
        unsafe { half.write_volatile(config) };
        which.store(next, Ordering::Release);
    }

    /// What was counted since the record was begun, and the connections that there are.
    pub(super) fn reading(self) -> DestinationReading {
        let record = self.read();
        let count = |connections: u64| u32::try_from(connections).unwrap_or(u32::MAX);
        DestinationReading {
            active: count(record.active),
            inactive: count(record.total.saturating_sub(record.active)),
            persistent: 0,
            stats: Stats {
                conns: record.conns,
                inpkts: record.inpkts,
                outpkts: record.outpkts,
                inbytes: record.inbytes,
                outbytes: record.outbytes,
                ..Stats::default()
            },
        }
    }

    /// Sets the thresholds, and whether the destination is overloaded by them
    /// (`__ip_vs_dest_update_overload`). A connection that comes or goes at the same moment may find
    /// the old ones; the next one mends that.
    pub(super) fn set_thresholds(self, upper: u32, recovery: u32) {
        let record = self.record.as_ptr();
        // SAFETY: the field is within the record.
        word32(unsafe { addr_of_mut!((*record).upper_threshold) }).store(upper, Ordering::Relaxed);
        // SAFETY: the field is within the record.
        word32(unsafe { addr_of_mut!((*record).recovery_threshold) })
            .store(recovery, Ordering::Relaxed);
        // SAFETY: the field is within the record.
        let overloaded = word32(unsafe { addr_of_mut!((*record).overloaded) });
        let total = self.read().total;
        if upper != 0 && total >= u64::from(upper) {
            overloaded.store(1, Ordering::Relaxed);
        } else if upper == 0 || total < u64::from(recovery) {
            overloaded.store(0, Ordering::Relaxed);
        }
    }

    /// Whether the destination is in the table.
    pub(super) fn is_live(self) -> bool {
        self.state().load(Ordering::Acquire) == STATE_LIVE
    }

    /// Whether the destination is not in the table, but connections are still counted there.
    pub(super) fn is_lingering(self) -> bool {
        !self.is_live() && self.read().total > 0
    }

    /// The destination is in the table.
    pub(super) fn set_live(self) {
        self.state().store(STATE_LIVE, Ordering::Release);
    }

    /// The destination is not in the table.
    pub(super) fn set_free(self) {
        self.state().store(STATE_FREE, Ordering::Release);
    }

    fn state(self) -> &'a AtomicU32 {
        // SAFETY: the field is within the record.
        word32(unsafe { addr_of_mut!((*self.record.as_ptr()).state) })
    }
}

/// Reads a slot.
pub(super) fn slot(slots: &Chunks<u64>, at: u32) -> Option<u64> {
    // SAFETY: an aligned word of a mapping.
    slots
        .at(at)
        .map(|slot| unsafe { slot.as_ptr().read_volatile() })
}

/// Writes a slot that no selection in force leads to.
pub(super) fn set_slot(slots: &Chunks<u64>, at: u32, word: u64) {
    if let Some(slot) = slots.at(at) {
        // SAFETY: an aligned word of a mapping; a program that still reads it compares generations.
        unsafe { slot.as_ptr().write_volatile(word) };
    }
}

/// A word of a record that both sides only ever change whole.
fn word32<'a>(word: *mut u32) -> &'a AtomicU32 {
    // SAFETY: callers pass an aligned field of a record, which is mapped for as long as the value
    // that they give the reference to is borrowed.
    unsafe { AtomicU32::from_ptr(word) }
}

/// As `word32`.
fn word64<'a>(word: *mut u64) -> &'a AtomicU64 {
    // SAFETY: as in `word32`.
    unsafe { AtomicU64::from_ptr(word) }
}

/// Plain data that only the daemon changes.
fn read<T>(field: *const T) -> T {
    // SAFETY: callers pass a field of a record, all of whose bytes are initialised.
    unsafe { field.read_volatile() }
}

/// Plain data that no program follows yet.
fn write<T>(field: *mut T, value: T) {
    // SAFETY: callers pass a field of a record; what programs may still see of it they check.
    unsafe { field.write_volatile(value) };
}

fn to_counters(stats: &Stats) -> [u64; 5] {
    let Stats {
        conns,
        inpkts,
        outpkts,
        inbytes,
        outbytes,
        ..
    } = *stats;
    [conns, inpkts, outpkts, inbytes, outbytes]
}

fn from_counters([conns, inpkts, outpkts, inbytes, outbytes]: [u64; 5]) -> Stats {
    Stats {
        conns,
        inpkts,
        outpkts,
        inbytes,
        outbytes,
        ..Stats::default()
    }
}
