//! The configurable connection timeouts of a namespace (`ip_vs_genl_set_config`,
//! `ip_vs_set_timeout`). The data path applies them.

use super::{Error, HZ};

/// The longest timeout in seconds that fits the kernel's `int` in jiffies.
const LONGEST: u32 = i32::MAX.unsigned_abs() / HZ;

/// The timeouts of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    tcp: u32,
    tcp_fin: u32,
    udp: u32,
}

/// A client's change of timeouts, in seconds. `None` and 0 leave a timeout unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeoutsUpdate {
    /// Established TCP connections.
    pub tcp: Option<u32>,
    /// TCP connections after a FIN.
    pub tcp_fin: Option<u32>,
    /// UDP.
    pub udp: Option<u32>,
}

impl Timeouts {
    /// For an established TCP connection, in seconds.
    pub fn tcp(&self) -> u32 {
        self.tcp
    }

    /// For a TCP connection after a FIN, in seconds.
    pub fn tcp_fin(&self) -> u32 {
        self.tcp_fin
    }

    /// For UDP, in seconds.
    pub fn udp(&self) -> u32 {
        self.udp
    }

    /// Applies an update, all of it or nothing.
    pub(super) fn update(&mut self, update: TimeoutsUpdate) -> Result<(), Error> {
        let tcp = choose("TCP", update.tcp, self.tcp)?;
        let tcp_fin = choose("TCP FIN", update.tcp_fin, self.tcp_fin)?;
        let udp = choose("UDP", update.udp, self.udp)?;
        *self = Self { tcp, tcp_fin, udp };
        Ok(())
    }
}

impl Default for Timeouts {
    /// The kernel's defaults (`tcp_timeouts`, `udp_timeouts`).
    fn default() -> Self {
        Self {
            tcp: 15 * 60,
            tcp_fin: 2 * 60,
            udp: 5 * 60,
        }
    }
}

/// The new value after a client sent `given`.
fn choose(which: &'static str, given: Option<u32>, current: u32) -> Result<u32, Error> {
    match given {
        None | Some(0) => Ok(current),
        Some(seconds) if seconds <= LONGEST => Ok(seconds),
        Some(seconds) => Err(Error::TimeoutOutOfRange {
            which,
            seconds,
            longest: LONGEST,
        }),
    }
}
