//! A naive IPVS: `net/netfilter/ipvs/ip_vs_ctl.c` of Linux 6.1, function by function, with lists
//! that are searched linearly. It is slow, not atomic, and shares no code with the table except the
//! types of clients' requests.
//!
//! Two things differ from the kernel: memory runs out when the test says so, and a destination has
//! a serial number, by which the test identifies it.

mod address_type;
mod changes;
mod sync_thread;

use std::net::IpAddr;

use proptest::sample::Index;

use self::address_type::is_multicast;
pub(super) use self::sync_thread::SyncThread;
use crate::{
    DestinationSpec, Host as _, ServiceKey, SyncDaemonSpec, TimeoutsUpdate, fake::FakeHost,
};

const HZ: u32 = 250;
/// `struct ip_vs_stats`: connections, and how many there were when they were last zeroed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stats {
    pub(super) conns: u64,
    zero: u64,
}

impl Stats {
    pub(super) fn shown(self) -> u64 {
        self.conns - self.zero
    }

    fn zero(&mut self) {
        self.zero = self.conns;
    }
}

/// `struct ip_vs_service`
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// Identifies it, like its address in memory in the kernel.
    pub(super) serial: u64,
    pub(super) key: ServiceKey,
    pub(super) scheduler: Vec<u8>,
    pub(super) engine: Option<Vec<u8>>,
    pub(super) flags: u32,
    pub(super) timeout: u32,
    pub(super) netmask: u32,
    pub(super) stats: Stats,
    /// The first one is that at the head of the list.
    pub(super) destinations: Vec<Destination>,
}

/// `struct ip_vs_dest`
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) serial: u64,
    pub(super) spec: DestinationSpec,
    pub(super) last_weight: i32,
    /// `vfwmark`, `protocol`, `vaddr` and `vport`.
    of: ServiceKey,
    /// `svc`
    service: u64,
    pub(super) active: u32,
    pub(super) stats: Stats,
    idle_start: Option<u64>,
}

/// `struct netns_ipvs`
#[derive(Debug, Default)]
pub(super) struct Kernel {
    /// In the order in which they were added.
    services: Vec<Service>,
    /// The first one is that at the head of the list.
    pub(super) trash: Vec<Destination>,
    mixed_address_family_dests: i32,
    pub(super) timeouts: Timeouts,
    pub(super) master: Option<SyncThread>,
    pub(super) backup: Option<SyncThread>,
    /// The error of operations that need memory.
    pub(super) no_room: Option<i32>,
    now: u64,
    serial: u64,
}

/// TCP, TCP after a FIN, UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timeouts(pub(super) [u32; 3]);

impl Default for Timeouts {
    fn default() -> Self {
        Self([900, 120, 300])
    }
}

type Errno = i32;

impl Kernel {
    /// The services in the order of a dump: by table, by bucket, the newest first.
    pub(super) fn dump(&self) -> Vec<&Service> {
        let mut services: Vec<_> = self.services.iter().rev().collect();
        services.sort_by_key(|service| hash(&service.key));
        services
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn position(&self, key: &ServiceKey) -> Result<usize, Errno> {
        let mut services = self.services.iter();
        services
            .position(|service| service.key == *key)
            .ok_or(libc::ESRCH)
    }

    fn room(&self) -> Result<(), Errno> {
        self.no_room.map_or(Ok(()), Err)
    }

    /// `ip_vs_genl_set_config`, `ip_vs_set_timeout`
    pub(super) fn set_timeouts(&mut self, user: TimeoutsUpdate) -> Result<(), Errno> {
        let Timeouts(mut timeouts) = self.timeouts;
        for (timeout, given) in timeouts.iter_mut().zip([user.tcp, user.tcp_fin, user.udp]) {
            match given {
                Some(seconds) if seconds > 0x7fff_ffff / HZ => return Err(libc::EINVAL),
                Some(seconds) if seconds > 0 => *timeout = seconds,
                _ => {}
            }
        }
        self.timeouts = Timeouts(timeouts);
        Ok(())
    }

    /// Sets the number of open connections of a destination, which may be in the trash, after
    /// `more` new ones. Returns its new state, and that of its service.
    pub(super) fn connect(&mut self, of: &Index, active: u32, more: u64) -> Option<Connected> {
        let listed: usize = self.services.iter().map(|one| one.destinations.len()).sum();
        let all = listed + self.trash.len();
        let mut at = (all > 0).then(|| of.index(all))?;
        let mut its_service = None;
        let mut destination = None;
        for service in &mut self.services {
            if destination.is_none() && at < service.destinations.len() {
                service.stats.conns += more;
                its_service = Some((service.key, service.stats.shown()));
                destination = service.destinations.get_mut(at);
            } else if destination.is_none() {
                at -= service.destinations.len();
            }
        }
        let destination = destination.or_else(|| self.trash.get_mut(at))?;
        destination.stats.conns += more;
        destination.active = active;
        Some(Connected {
            serial: destination.serial,
            active,
            conns: destination.stats.shown(),
            service: its_service,
        })
    }

    /// `ip_vs_genl_new_daemon`, then `start_sync_thread`
    pub(super) fn start_sync(&mut self, user: &SyncDaemonSpec) -> Result<(), Errno> {
        if user.group.is_some_and(|group| !is_multicast(group)) {
            return Err(libc::EINVAL);
        }
        if self.mixed_address_family_dests > 0 {
            return Err(libc::EINVAL);
        }
        let mtu = FakeHost
            .interface_mtu(&user.interface)
            .ok_or(libc::ENODEV)?;
        let slot = self.sync_slot(user.state)?;
        if slot.is_some() {
            return Err(libc::EEXIST);
        }
        *slot = Some(SyncThread::new(user, mtu));
        Ok(())
    }

    /// `stop_sync_thread`
    pub(super) fn stop_sync(&mut self, state: u32) -> Result<(), Errno> {
        let thread = self.sync_slot(state)?.take();
        thread.map(drop).ok_or(libc::ESRCH)
    }

    fn sync_slot(&mut self, state: u32) -> Result<&mut Option<SyncThread>, Errno> {
        match state {
            1 => Ok(&mut self.master),
            2 => Ok(&mut self.backup),
            _ => Err(libc::EINVAL),
        }
    }
}

/// A destination's state after its connections changed.
pub(super) struct Connected {
    pub(super) serial: u64,
    pub(super) active: u32,
    pub(super) conns: u64,
    /// Its service, unless it is in the trash, and the number of connections of that service.
    pub(super) service: Option<(ServiceKey, u64)>,
}

/// The table and the bucket (`ip_vs_svc_hashkey`, `ip_vs_svc_fwm_hashkey`). Only the last byte of
/// everything counts, as there are 256 buckets.
fn hash(key: &ServiceKey) -> (u8, u8) {
    let last = |number: u32| number.to_be_bytes()[3];
    match *key {
        ServiceKey::Fwmark { mark, .. } => (1, last(mark.get())),
        ServiceKey::Address {
            protocol,
            addr,
            port,
        } => {
            let octets = match addr {
                IpAddr::V4(addr) => addr.octets().to_vec(),
                IpAddr::V6(addr) => addr.octets().to_vec(),
            };
            let folded = octets.chunks(4).fold(0, |folded, word| folded ^ word[3]);
            let [high, low] = port.to_be_bytes();
            (0, last(protocol.into()) ^ folded ^ high ^ low)
        }
    }
}
