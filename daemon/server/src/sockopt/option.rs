//! The options: their numbers, and how much memory each of them reads.

use super::{argument, entry};

/// The base of the kernel's IPVS option numbers (`IP_VS_BASE_CTL`).
pub const BASE: i32 = 64 + 1024 + 64;
/// The last option of `setsockopt` (`IP_VS_SO_SET_MAX`).
pub const LAST_SET: i32 = BASE + 15;
/// The last option of `getsockopt` (`IP_VS_SO_GET_MAX`).
pub const LAST_GET: i32 = BASE + 7;

/// Which of the two system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `setsockopt`
    Set,
    /// `getsockopt`
    Get,
}

/// How many bytes of the caller's memory an option reads; 0 for an unknown option.
#[must_use]
pub fn argument_length(direction: Direction, number: i32) -> usize {
    match direction {
        Direction::Set => SetOption::from_number(number).map(SetOption::argument_length),
        Direction::Get => GetOption::from_number(number).map(GetOption::argument_length),
    }
    .unwrap_or(0)
}

/// The options that change a table. The kernel has numbers for more, all of which it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetOption {
    AddService,
    EditService,
    DeleteService,
    Flush,
    AddDestination,
    DeleteDestination,
    EditDestination,
    Timeouts,
    StartDaemon,
    StopDaemon,
    Zero,
}

impl SetOption {
    pub(super) fn from_number(number: i32) -> Option<Self> {
        Some(match number.checked_sub(BASE)? {
            2 => Self::AddService,
            3 => Self::EditService,
            4 => Self::DeleteService,
            5 => Self::Flush,
            7 => Self::AddDestination,
            8 => Self::DeleteDestination,
            9 => Self::EditDestination,
            10 => Self::Timeouts,
            11 => Self::StartDaemon,
            12 => Self::StopDaemon,
            15 => Self::Zero,
            _ => return None,
        })
    }

    /// The length that its argument must have (`set_arglen`).
    pub(super) fn argument_length(self) -> usize {
        match self {
            Self::Flush => 0,
            Self::AddService | Self::EditService | Self::DeleteService | Self::Zero => {
                argument::SERVICE
            }
            Self::AddDestination | Self::DeleteDestination | Self::EditDestination => {
                argument::SERVICE + argument::DESTINATION
            }
            Self::Timeouts => argument::TIMEOUTS,
            Self::StartDaemon | Self::StopDaemon => argument::DAEMON,
        }
    }
}

/// The options that read a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GetOption {
    Version,
    Info,
    Services,
    Service,
    Destinations,
    Timeouts,
    Daemons,
}

impl GetOption {
    pub(super) fn from_number(number: i32) -> Option<Self> {
        Some(match number.checked_sub(BASE)? {
            0 => Self::Version,
            1 => Self::Info,
            2 => Self::Services,
            3 => Self::Service,
            4 => Self::Destinations,
            6 => Self::Timeouts,
            7 => Self::Daemons,
            _ => return None,
        })
    }

    /// The minimum length of its argument (`get_arglen`), all of which the kernel reads.
    pub(super) fn argument_length(self) -> usize {
        match self {
            Self::Version => entry::VERSION,
            Self::Info => entry::INFO,
            Self::Services => argument::SERVICES,
            Self::Service => entry::SERVICE,
            Self::Destinations => argument::DESTINATIONS,
            Self::Timeouts => argument::TIMEOUTS,
            Self::Daemons => 2 * argument::DAEMON,
        }
    }
}
