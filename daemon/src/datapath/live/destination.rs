//! A destination's record.

use std::{
    marker::PhantomData,
    ptr::{NonNull, addr_of_mut},
    sync::atomic::{AtomicU8, Ordering},
};

use sockvs_ebpf_common::{
    Destination as DestinationRecord, DestinationConfig, STATE_FREE, STATE_LIVE, recovery_threshold,
};

use super::{byte, word32, word64, write};
use crate::{
    datapath::{chunks::Chunks, records},
    ipvs::{DestinationKey, DestinationReading, Family, Stats},
};

/// A destination's record.
#[derive(Clone, Copy)]
pub(in crate::datapath) struct LiveDestination<'a> {
    record: NonNull<DestinationRecord>,
    /// The mapping stays for as long as the chunks are borrowed.
    chunks: PhantomData<&'a Chunks<DestinationRecord>>,
}

impl<'a> LiveDestination<'a> {
    /// The record with this index, if there is memory for it.
    pub(in crate::datapath) fn at(
        chunks: &'a Chunks<DestinationRecord>,
        index: u32,
    ) -> Option<Self> {
        Some(Self {
            record: chunks.at(index)?,
            chunks: PhantomData,
        })
    }

    /// Prepares a free record for a destination of the service with index `owner`. What is counted there
    /// stays. The other fields follow; `set_live` ends it.
    pub(in crate::datapath) fn begin(self, key: &DestinationKey, owner: u32, born: u64) {
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
    }

    /// From now on the record is for another destination than before.
    pub(in crate::datapath) fn use_anew(self) {
        // SAFETY: the field is within the record.
        let number = word32(unsafe { addr_of_mut!((*self.record.as_ptr()).use_number) });
        number.fetch_add(1, Ordering::AcqRel);
    }

    /// Nothing was counted yet.
    pub(in crate::datapath) fn zero(self) {
        let record = self.record.as_ptr();
        for counter in [
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
        ] {
            // Programs that count meanwhile do so before or after.
            word64(counter).store(0, Ordering::Relaxed);
        }
    }

    /// `lblcr` no longer stays with the server.
    pub(in crate::datapath) fn leave(self) {
        // SAFETY: the field is within the record.
        let joined = word32(unsafe { addr_of_mut!((*self.record.as_ptr()).joined) });
        joined.store(0, Ordering::Relaxed);
    }

    /// The whole record.
    pub(in crate::datapath) fn read(self) -> DestinationRecord {
        // SAFETY: plain data, of which programs change only the counter.
        unsafe { self.record.as_ptr().read_volatile() }
    }

    /// Writes the configuration, and whether the destination is overloaded by its thresholds.
    pub(in crate::datapath) fn set_config(self, config: DestinationConfig) {
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
        let record = self.record.as_ptr();
        // SAFETY: the field is within the record.
        write(unsafe { addr_of_mut!((*record).weight) }, weight);
        // SAFETY: as above.
        write(unsafe { addr_of_mut!((*record).tunnel_port) }, tunnel_port);
        // SAFETY: as above.
        write(
            unsafe { addr_of_mut!((*record).tunnel_flags) },
            tunnel_flags,
        );
        // SAFETY: as above.
        write(unsafe { addr_of_mut!((*record).tunnel_kind) }, tunnel_kind);
        // SAFETY: as above.
        write(unsafe { addr_of_mut!((*record).forwarding) }, forwarding);
        self.set_thresholds(upper_threshold, lower_threshold);
    }

    /// What was counted since the record was begun, and the connections that there are.
    pub(in crate::datapath) fn reading(self) -> DestinationReading {
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
    pub(in crate::datapath) fn set_thresholds(self, upper: u32, lower: u32) {
        let record = self.record.as_ptr();
        // SAFETY: the field is within the record.
        word32(unsafe { addr_of_mut!((*record).upper_threshold) }).store(upper, Ordering::Relaxed);
        // SAFETY: the field is within the record.
        word32(unsafe { addr_of_mut!((*record).lower_threshold) }).store(lower, Ordering::Relaxed);
        // SAFETY: the field is within the record.
        let overloaded = byte(unsafe { addr_of_mut!((*record).overloaded) });
        let total = self.read().total;
        if upper != 0 && total >= u64::from(upper) {
            overloaded.store(1, Ordering::Relaxed);
        } else if upper == 0 || total < u64::from(recovery_threshold(upper, lower)) {
            overloaded.store(0, Ordering::Relaxed);
        }
    }

    /// One of the connections that are counted there, an active one or another, is so no longer.
    pub(in crate::datapath) fn uncount(self, active: bool) {
        let record = self.record.as_ptr();
        // SAFETY: the field is within the record.
        let all = unsafe { addr_of_mut!((*record).total) };
        // SAFETY: as above.
        let actives = active.then(|| unsafe { addr_of_mut!((*record).active) });
        for counter in [Some(all), actives].into_iter().flatten() {
            // Programs change it at the same time.
            let _ = word64(counter).fetch_update(Ordering::AcqRel, Ordering::Acquire, |number| {
                number.checked_sub(1)
            });
        }
    }

    /// Whether the destination is in the table.
    pub(in crate::datapath) fn is_live(self) -> bool {
        self.state().load(Ordering::Acquire) == STATE_LIVE
    }

    /// Whether the destination is not in the table, but connections are still counted there.
    pub(in crate::datapath) fn is_lingering(self) -> bool {
        !self.is_live() && self.is_connected()
    }

    /// Whether connections are counted there.
    pub(in crate::datapath) fn is_connected(self) -> bool {
        // SAFETY: the field is within the record; programs change it whole.
        word64(unsafe { addr_of_mut!((*self.record.as_ptr()).total) }).load(Ordering::Relaxed) > 0
    }

    /// The destination is in the table.
    pub(in crate::datapath) fn set_live(self) {
        self.state().store(STATE_LIVE, Ordering::Release);
    }

    /// The destination is not in the table.
    pub(in crate::datapath) fn set_free(self) {
        self.state().store(STATE_FREE, Ordering::Release);
    }

    fn state(self) -> &'a AtomicU8 {
        // SAFETY: the field is within the record.
        byte(unsafe { addr_of_mut!((*self.record.as_ptr()).state) })
    }
}
