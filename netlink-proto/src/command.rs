// SPDX-License-Identifier: GPL-2.0-only

//! The commands: `IPVS_CMD_*`, the first byte of the generic netlink header.

use crate::types::lossless_enum;

lossless_enum! {
    /// What a message requests, or answers.
    ///
    /// A reply has the command that would create its object: the kernel answers
    /// [`GetService`](Self::GetService) with [`NewService`](Self::NewService) and so on.
    IpvsCommand: u8 {
        /// Add a service; also each service of a dump.
        NewService = 1,
        /// Change a service.
        SetService = 2,
        /// Remove a service.
        DelService = 3,
        /// Get a service, or with `NLM_F_DUMP` all services.
        GetService = 4,
        /// Add a destination; also each destination of a dump.
        NewDest = 5,
        /// Change a destination.
        SetDest = 6,
        /// Remove a destination.
        DelDest = 7,
        /// Dump the destinations of a service.
        GetDest = 8,
        /// Start a sync daemon; also each daemon of a dump.
        NewDaemon = 9,
        /// Stop a sync daemon.
        DelDaemon = 10,
        /// Dump the sync daemons.
        GetDaemon = 11,
        /// Set the timeouts; also the reply to [`GetConfig`](Self::GetConfig).
        SetConfig = 12,
        /// Get the timeouts.
        GetConfig = 13,
        /// The reply to [`GetInfo`](Self::GetInfo), never a request.
        SetInfo = 14,
        /// Get the version and the size of the connection table.
        GetInfo = 15,
        /// Zero all counters: those of one service, or without a service of all.
        Zero = 16,
        /// Remove all services.
        Flush = 17,
    }
}
