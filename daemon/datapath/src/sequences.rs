//! Sequences of servers in the slots: written where no selection in force leads, and read back when
//! one is to be replaced. The slots are the only copy.

use sockvs_ebpf_common::{Segment, Selection};

use super::{
    chunks::Chunks,
    live::{set_slot, slot},
    path::MapPath,
    scheduler::{Plan, Run, Sequence, Turn},
    stretches::Stretch,
};
use sockvs_ipvs::{DataPathFull, Owner};

impl MapPath {
    /// Writes a plan's sequence into slots that nobody uses, and that are this owner's from now on:
    /// the selection that leads there.
    pub(super) fn lay_out(&mut self, plan: &Plan, owner: Owner) -> Result<Selection, DataPathFull> {
        let sequence = &plan.sequence;
        let segments = sequence.runs.len();
        let table = if segments > 1 {
            segments * Segment::WORDS as usize
        } else {
            0
        };
        let turns: usize = sequence.runs.iter().map(|run| run.turns.len()).sum();
        let stretch = self.slot_room.take(table + turns, owner)?;
        if let Some(last) = stretch.end().checked_sub(1)
            && let Err(full) = self.slots.ensure(last)
        {
            self.slot_room.give_back(stretch, owner);
            return Err(full);
        }
        let table = u32::try_from(table).map_err(|_| DataPathFull::NoSpace)?;
        let mut selection = Selection {
            cursor: plan.memory.start,
            period: sequence.period,
            segments_at: stretch.at,
            slots: stretch.len(),
            kind: plan.kind as u32,
            options: plan.options,
            zero: 0,
            segments: u32::try_from(segments).map_err(|_| DataPathFull::NoSpace)?,
            first_at: stretch.at + table,
            first_len: 0,
        };
        let mut next = selection.first_at;
        for (run, at) in sequence
            .runs
            .iter()
            .zip((stretch.at..).step_by(Segment::WORDS as usize))
        {
            let len = u32::try_from(run.turns.len()).map_err(|_| DataPathFull::NoSpace)?;
            if at == stretch.at {
                selection.first_len = len;
            }
            if table > 0 {
                let [first, place] = Segment {
                    first: run.first,
                    at: next,
                    len,
                }
                .to_words();
                set_slot(&self.slots, at, first);
                set_slot(&self.slots, at + 1, place);
            }
            for turn in &run.turns {
                set_slot(&self.slots, next, turn.to_word());
                next += 1;
            }
        }
        Ok(selection)
    }
}

/// The stretch of slots that a selection uses.
pub(super) fn stretch(selection: &Selection) -> Stretch {
    Stretch::taken(selection.segments_at, selection.slots)
}

/// The sequence that a selection leads to; none if it leads to where there are no slots.
pub(super) fn sequence(slots: &Chunks<u64>, selection: &Selection) -> Option<Sequence> {
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
    let runs = segments.map(|segment| {
        let segment = segment?;
        let turn = |at| slot(slots, at).map(Turn::from_word);
        Some(Run {
            first: segment.first,
            turns: (segment.at..segment.at.checked_add(segment.len)?)
                .map(turn)
                .collect::<Option<_>>()?,
        })
    });
    Some(Sequence {
        period: selection.period,
        runs: runs.collect::<Option<_>>()?,
    })
}
