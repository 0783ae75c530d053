//! A trapped call that is being processed: the remaining steps, and its result.

use std::collections::VecDeque;
use std::sync::Arc;

use nix::errno::Errno;

use super::call::Call;
use super::datagram::Part;
use super::notification::Verdict;
use super::socket::ClientSocket;

/// One step.
pub(super) enum Step {
    /// Send these messages to the daemon and wait for its answer.
    Ours(Vec<u8>),
    /// Send these messages to the kernel.
    Foreign(Vec<u8>),
    /// A datagram is complete: write its length, if the caller expects it.
    Complete {
        length: usize,
        length_at: Option<u64>,
    },
}

/// One call.
pub(super) struct Job {
    pub(super) notification: u64,
    pub(super) tid: libc::pid_t,
    pub(super) socket: Arc<ClientSocket>,
    steps: VecDeque<Step>,
    /// The number of bytes that it held at the start.
    pub(super) weight: usize,
    vector: bool,
    result: usize,
}

impl Job {
    pub(super) fn new(
        notification: u64,
        tid: libc::pid_t,
        socket: Arc<ClientSocket>,
        call: &Call,
    ) -> Self {
        let mut steps = VecDeque::new();
        for datagram in &call.datagrams {
            let piece = |run: &std::ops::Range<usize>| {
                datagram.bytes.get(run.clone()).unwrap_or_default().to_vec()
            };
            steps.extend(datagram.parts.iter().map(|part| match part {
                Part::Ours(run) => Step::Ours(piece(run)),
                Part::Foreign(run) => Step::Foreign(piece(run)),
            }));
            let (length, length_at) = (datagram.bytes.len(), datagram.length_at);
            steps.push_back(Step::Complete { length, length_at });
        }
        let weight = call
            .datagrams
            .iter()
            .map(|datagram| datagram.bytes.len())
            .sum();
        Self {
            notification,
            tid,
            socket,
            steps,
            weight,
            vector: call.vector,
            result: 0,
        }
    }

    pub(super) fn next_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Counts a complete datagram.
    pub(super) fn count(&mut self, length: usize) {
        self.result += if self.vector { 1 } else { length };
    }

    /// The result when all steps succeeded.
    pub(super) fn success(&self) -> Verdict {
        Verdict::Returns(self.result)
    }

    /// The result when a step failed. Like in the kernel, a `sendmmsg` that sent some datagrams
    /// returns their number.
    pub(super) fn failure(&self, errno: Errno) -> Verdict {
        if self.vector && self.result > 0 {
            self.success()
        } else {
            Verdict::Fails(errno)
        }
    }
}
