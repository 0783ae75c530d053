//! A destination's record.

use std::{
    marker::PhantomData,
    ptr::NonNull,
    sync::atomic::{AtomicU8, Ordering},
};

use sockvs_ebpf_common::{
    Destination as DestinationRecord, DestinationConfig, STATE_FREE, STATE_LIVE, recovery_threshold,
};

use crate::records::live::{counters, field};
use crate::{records, records::chunks::Chunks};
use sockvs_ipvs::{DestinationKey, DestinationReading, Family};

/// A destination's record.
#[derive(Clone, Copy)]
pub(crate) struct LiveDestination<'a> {
    record: NonNull<DestinationRecord>,
    /// The mapping stays for as long as the chunks are borrowed.
    chunks: PhantomData<&'a Chunks<DestinationRecord>>,
}

impl<'a> LiveDestination<'a> {
    /// The record with this index, if there is memory for it.
    pub(crate) fn at(chunks: &'a Chunks<DestinationRecord>, index: u32) -> Option<Self> {
        Some(Self {
            record: chunks.at(index)?,
            chunks: PhantomData,
        })
    }

    /// Prepares a free record for a destination of the service with index `owner`. Its counters are
    /// kept. The other fields must be written next, and then `set_live`.
    pub(crate) fn begin(self, key: &DestinationKey, owner: u32, born: u64) {
        // The record is free: no slot in force refers to it, and a program that still reads its
        // last use compares generations, or at worst counts one connection of that use.
        field!(self.address).write(records::address_words(key.addr));
        field!(self.port).write(key.port.to_be());
        let family = records::family(Family::of(key.addr));
        field!(self.family).write(family);
        field!(self.service).write(owner);
        field!(self.born).write(born);
    }

    /// Marks the record as used by another destination than before.
    pub(crate) fn use_anew(self) {
        let number = field!(self.use_number).atomic();
        number.fetch_add(1, Ordering::AcqRel);
    }

    /// Zeroes the counters.
    pub(crate) fn zero(self) {
        counters!(self).zero();
    }

    /// Ends the assignment of `lblcr` to the server.
    pub(crate) fn leave(self) {
        let joined = field!(self.joined).atomic();
        joined.store(0, Ordering::Relaxed);
    }

    /// Reads the whole record.
    pub(crate) fn read(self) -> DestinationRecord {
        // SAFETY: plain data, of which programs change only the counter.
        unsafe { self.record.as_ptr().read_volatile() }
    }

    /// Writes the configuration, and whether the destination is overloaded by its thresholds.
    pub(crate) fn set_config(self, config: DestinationConfig) {
        let DestinationConfig {
            weight,
            upper_threshold,
            lower_threshold,
            tunnel_port,
            tunnel_flags,
            tunnel_kind,
            forwarding,
            zero: _,
        } = config;
        field!(self.weight).write(weight);
        field!(self.tunnel_port).write(tunnel_port);
        field!(self.tunnel_flags).write(tunnel_flags);
        field!(self.tunnel_kind).write(tunnel_kind);
        field!(self.forwarding).write(forwarding);
        self.set_thresholds(upper_threshold, lower_threshold);
    }

    /// The counters since the record was initialised, and the numbers of connections.
    pub(crate) fn reading(self) -> DestinationReading {
        let record = self.read();
        let count = |connections: u64| u32::try_from(connections).unwrap_or(u32::MAX);
        DestinationReading {
            active: count(record.active),
            inactive: count(record.total.saturating_sub(record.active)),
            persistent: 0,
            stats: counters!(self).stats(),
        }
    }

    /// Sets the thresholds, and whether the destination is overloaded by them
    /// (`__ip_vs_dest_update_overload`). A connection that starts or ends at the same moment may
    /// use the old ones; the next connection corrects the flag.
    pub(crate) fn set_thresholds(self, upper: u32, lower: u32) {
        field!(self.upper_threshold)
            .atomic()
            .store(upper, Ordering::Relaxed);
        field!(self.lower_threshold)
            .atomic()
            .store(lower, Ordering::Relaxed);
        let overloaded = field!(self.overloaded).atomic();
        let total = self.read().total;
        if upper != 0 && total >= u64::from(upper) {
            overloaded.store(1, Ordering::Relaxed);
        } else if upper == 0 || total < u64::from(recovery_threshold(upper, lower)) {
            overloaded.store(0, Ordering::Relaxed);
        }
    }

    /// Subtracts one connection, an active or an inactive one.
    pub(crate) fn uncount(self, active: bool) {
        let all = field!(self.total);
        let actives = active.then(|| field!(self.active));
        for counter in [Some(all), actives].into_iter().flatten() {
            // Programs change the counter concurrently.
            let _ = counter
                .atomic()
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |number| {
                    number.checked_sub(1)
                });
        }
    }

    /// Whether the destination is in the table.
    pub(crate) fn is_live(self) -> bool {
        self.state().load(Ordering::Acquire) == STATE_LIVE
    }

    /// Whether the destination is deleted, but connections are still counted in its record.
    pub(crate) fn is_deleted_in_use(self) -> bool {
        !self.is_live() && self.is_connected()
    }

    /// Whether connections are counted in the record.
    pub(crate) fn is_connected(self) -> bool {
        field!(self.total).atomic().load(Ordering::Relaxed) > 0
    }

    /// Marks the destination as in the table.
    pub(crate) fn set_live(self) {
        self.state().store(STATE_LIVE, Ordering::Release);
    }

    /// Marks the destination as not in the table.
    pub(crate) fn set_free(self) {
        self.state().store(STATE_FREE, Ordering::Release);
    }

    fn state(self) -> &'a AtomicU8 {
        field!(self.state).atomic()
    }
}
