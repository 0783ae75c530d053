//! The requests that were consumed but not answered yet. They are in memory that outlives the
//! daemon, in which the [`guard`](super::guard) finds them when the daemon is silent.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    record,
    shared::{SLOTS, Shared},
};
use sockvs_server::genl::Waiting;

/// The daemon's side.
pub(super) struct Ledger {
    shared: Shared,
    free: Mutex<Vec<usize>>,
}

/// A request that was entered, or nothing if the ledger was full. Dropping this removes it.
pub(super) struct Entry {
    ledger: Arc<Ledger>,
    written: Option<(usize, u64)>,
}

impl Ledger {
    /// An empty ledger, in shared memory.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            shared: Shared::new()?,
            free: Mutex::new((0..SLOTS).rev().collect()),
        })
    }

    /// Duplicates its descriptor.
    pub(super) fn share(&self) -> io::Result<OwnedFd> {
        self.shared.share()
    }

    /// Writes the daemon's heartbeat.
    pub(super) fn beat(&self, now: u64) {
        self.shared.beat(now);
    }

    /// Whether a request that arrived at this time is left to the guard, because the daemon was
    /// silent. Must be called after the request was entered and consumed from the ring buffer.
    pub(super) fn is_guards(&self, arrived: u64) -> bool {
        let guards = arrived <= self.shared.horizon();
        if guards {
            self.shared.leave_one();
        }
        guards
    }

    /// Enters the request of a record. Dropping the returned entry removes it.
    pub(super) fn enter(self: &Arc<Self>, record: &[u8]) -> Entry {
        let write = || {
            let record = record::abridge(record)?;
            let number = self.free().pop()?;
            Some((number, self.shared.write(number, record)))
        };
        Entry {
            written: write(),
            ledger: Arc::clone(self),
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<usize>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting for Entry {
    /// Whether the guard has not answered in our place.
    fn wants_replies(&self) -> bool {
        self.written
            .is_none_or(|(number, held)| self.ledger.shared.is_held(number, held))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some((number, held)) = self.written {
            self.ledger.shared.strike_out(number, held);
            self.ledger.free().push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(port: u32, arrived: u64) -> Vec<u8> {
        let mut bytes = 9_u64.to_ne_bytes().to_vec();
        for word in [port, 1, 2, 20, 0, 0] {
            bytes.extend(u32::to_ne_bytes(word));
        }
        bytes.extend(arrived.to_ne_bytes());
        bytes.extend([7; 20]);
        bytes
    }

    /// The ports of the requests that a guard can claim, of those that arrived until then.
    fn claimed(ledger: &Ledger, until: u64) -> Vec<u32> {
        let guard = Shared::of(ledger.share().unwrap()).unwrap();
        let claim = |number| guard.claim(number, |record| record::arrived(record) <= until);
        let records = (0..SLOTS).filter_map(claim);
        let ports = records.map(|record| {
            let (request, datagram) = record::decode(&record).unwrap();
            assert_eq!((request.namespace, datagram), (9, &[7; 16][..]));
            request.sender.port
        });
        ports.collect()
    }

    #[test]
    fn entries_that_were_not_removed_are_found() {
        let ledger = Arc::new(Ledger::new().unwrap());
        let _kept = ledger.enter(&record(1, 0));
        drop(ledger.enter(&record(2, 0)));
        let _also_kept = ledger.enter(&record(3, 0));
        // Too short for a record: served, but not entered.
        let short = ledger.enter(&record(4, 0)[..30]);
        assert!(short.wants_replies());
        assert_eq!(claimed(&ledger, 0), [1, 3]);
    }

    #[test]
    fn a_claimed_request_is_not_answered_by_the_daemon_and_its_slot_is_reused() {
        let ledger = Arc::new(Ledger::new().unwrap());
        let (early, late) = (ledger.enter(&record(1, 10)), ledger.enter(&record(2, 20)));
        assert_eq!(claimed(&ledger, 15), [1]);
        assert!(!early.wants_replies() && late.wants_replies());
        assert_eq!(claimed(&ledger, 15), [0; 0], "once only");
        drop(early);
        let again = ledger.enter(&record(3, 12));
        assert!(again.wants_replies());
        assert_eq!(claimed(&ledger, 15), [3]);
    }

    #[test]
    fn the_horizon_decides_who_answers_a_request() {
        let ledger = Arc::new(Ledger::new().unwrap());
        let guard = Shared::of(ledger.share().unwrap()).unwrap();
        assert!(!ledger.is_guards(5));
        guard.raise_horizon(5);
        assert!(ledger.is_guards(5) && !ledger.is_guards(6));
        assert_eq!(guard.left(), 1);
        ledger.beat(8);
        assert_eq!(guard.heartbeat(), 8);
    }

    #[test]
    fn the_number_of_entries_is_limited() {
        let ledger = Arc::new(Ledger::new().unwrap());
        let entries: Vec<_> = (0..SLOTS).map(|_| ledger.enter(&record(1, 0))).collect();
        let more = ledger.enter(&record(2, 0));
        assert!(more.wants_replies());
        assert_eq!(claimed(&ledger, 0).len(), SLOTS);
        assert!(entries.iter().all(|entry| !entry.wants_replies()));
    }
}
