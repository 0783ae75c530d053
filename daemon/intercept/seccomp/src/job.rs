//! A trapped call that is being worked on: what is left to do, and what its caller will see.

use std::collections::VecDeque;
use std::sync::Arc;

use nix::errno::Errno;

use super::call::Call;
use super::datagram::Part;
use super::notification::Verdict;
use super::socket::ClientSocket;

/// One thing to do.
pub(super) enum Step {
    /// Hand these messages to the daemon and wait for its word.
    Ours(Vec<u8>),
    /// Send these messages to the kernel.
    Foreign(Vec<u8>),
    /// A datagram is through: note its length, where the caller wants to know it.
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
    /// Bytes that it held when it began.
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

    /// Counts a datagram that is through.
    pub(super) fn count(&mut self, length: usize) {
        self.result += if self.vector { 1 } else { length };
    }

    /// What the caller sees when everything was done.
    pub(super) fn success(&self) -> Verdict {
        Verdict::Returns(self.result)
    }

    /// What it sees when something failed. Like the kernel's, a `sendmmsg` that got somewhere says
    /// how far.
    pub(super) fn failure(&self, errno: Errno) -> Verdict {
        if self.vector && self.result > 0 {
            self.success()
        } else {
            Verdict::Fails(errno)
        }
    }
}
