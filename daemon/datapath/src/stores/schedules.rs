//! The services' schedules in the map `SLOTS`. They are written where no selection in force refers,
//! and read back when a schedule is replaced. The slots are the only copy.

use sockvs_ebpf_common::{SLOT_CHUNKS, SLOTS_PER_CHUNK, Segment, Selection};
use sockvs_ipvs::{DataPathFull, Owner, Usage};

use crate::{
    records::chunks::Chunks,
    records::live::{set_slot, slot},
    scheduler::{Plan, Round, Schedule, Slot},
    stores::extents::{Extent, ExtentAllocator},
    stores::shares::Limit,
};

/// The words of the schedules, one for each server in them.
const SLOTS: Limit = Limit {
    of: "places in the services' schedules",
    option: None,
    most: SLOT_CHUNKS * SLOTS_PER_CHUNK,
};

/// The slots, and which of them are in use.
pub(crate) struct ScheduleStore {
    slots: Chunks<u64>,
    extents: ExtentAllocator,
}

impl ScheduleStore {
    /// A store with nothing in use.
    pub(crate) fn new(slots: Chunks<u64>) -> Self {
        Self {
            slots,
            extents: ExtentAllocator::new(SLOTS),
        }
    }

    /// Marks exactly the schedules of these selections as in use.
    pub(crate) fn restore(&mut self, in_force: impl Iterator<Item = Selection>) {
        let used = in_force.map(|selection| extent(&selection)).collect();
        self.extents = ExtentAllocator::with_used(SLOTS, used);
    }

    /// Writes a plan's schedule to slots that no selection in force refers to, allocated for this
    /// owner, and returns the selection that refers to them.
    pub(crate) fn write(&mut self, plan: &Plan, owner: Owner) -> Result<Selection, DataPathFull> {
        let schedule = &plan.schedule;
        let segments = schedule.rounds.len();
        let table = if segments > 1 {
            segments * Segment::WORDS as usize
        } else {
            0
        };
        let slots: usize = schedule.rounds.iter().map(|round| round.slots.len()).sum();
        let extent = self.extents.alloc(table + slots, owner)?;
        if let Some(last) = extent.end().checked_sub(1)
            && let Err(full) = self.slots.ensure(last)
        {
            self.extents.free(extent, owner);
            return Err(full);
        }
        let table = u32::try_from(table).map_err(|_| DataPathFull::NoSpace)?;
        let mut selection = Selection {
            cursor: plan.sched_state.start,
            period: schedule.period,
            segments_at: extent.at,
            slots: extent.len(),
            kind: plan.kind as u32,
            options: plan.options,
            zero: 0,
            segments: u32::try_from(segments).map_err(|_| DataPathFull::NoSpace)?,
            first_at: extent.at + table,
            first_len: 0,
        };
        let mut next = selection.first_at;
        for (round, at) in schedule
            .rounds
            .iter()
            .zip((extent.at..).step_by(Segment::WORDS as usize))
        {
            let len = u32::try_from(round.slots.len()).map_err(|_| DataPathFull::NoSpace)?;
            if at == extent.at {
                selection.first_len = len;
            }
            if table > 0 {
                let [first, place] = Segment {
                    first: round.first,
                    at: next,
                    len,
                }
                .to_words();
                set_slot(&self.slots, at, first);
                set_slot(&self.slots, at + 1, place);
            }
            for slot in &round.slots {
                set_slot(&self.slots, next, slot.to_word());
                next += 1;
            }
        }
        Ok(selection)
    }

    /// The schedule of a selection; `None` if it refers to missing slots.
    pub(crate) fn read(&self, selection: &Selection) -> Option<Schedule> {
        read(&self.slots, selection)
    }

    /// Frees the slots of an owner's selection, which must not be in force.
    pub(crate) fn free(&mut self, selection: &Selection, owner: Owner) {
        self.extents.free(extent(selection), owner);
    }

    /// Transfers the slots of a selection to another owner.
    pub(crate) fn set_owner(&mut self, selection: &Selection, from: Owner, to: Owner) {
        self.extents.set_owner(extent(selection), from, to);
    }

    /// How much is in use, for the status.
    pub(crate) fn usage(&self) -> Usage {
        self.extents.usage()
    }
}

/// The extent of a selection's slots.
fn extent(selection: &Selection) -> Extent {
    Extent::at(selection.segments_at, selection.slots)
}

fn read(slots: &Chunks<u64>, selection: &Selection) -> Option<Schedule> {
    let segments = (0..selection.segments).map(|nth| {
        if selection.segments == 1 {
            return Some(Segment {
                first: 0,
                at: selection.first_at,
                len: selection.first_len,
            });
        }
        let at = selection.segments_at.checked_add(nth * Segment::WORDS)?;
        let words = [slot(slots, at)?, slot(slots, at.checked_add(1)?)?];
        Some(Segment::from_words(words))
    });
    let rounds = segments.map(|segment| {
        let segment = segment?;
        let slot = |at| slot(slots, at).map(Slot::from_word);
        Some(Round {
            first: segment.first,
            slots: (segment.at..segment.at.checked_add(segment.len)?)
                .map(slot)
                .collect::<Option<_>>()?,
        })
    });
    Some(Schedule {
        period: selection.period,
        rounds: rounds.collect::<Option<_>>()?,
    })
}
