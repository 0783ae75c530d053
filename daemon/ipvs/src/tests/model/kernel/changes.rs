//! Adding, editing and deleting services and destinations, and the trash.

use std::net::IpAddr;

use super::{
    Destination, Errno, HZ, Kernel, Service, Stats,
    address_type::{is_link_local, is_unicast},
};
use crate::{
    DestinationKey, DestinationSpec, Host, RouteType, ServiceKey, ServiceSpec, fake::FakeHost,
};

const IP_VS_SVC_F_HASHED: u32 = 0x2;
const SCHEDULERS: [&[u8]; 14] = [
    b"rr", b"wrr", b"lc", b"wlc", b"sed", b"nq", b"fo", b"ovf", b"twos", b"sh", b"dh", b"mh",
    b"lblc", b"lblcr",
];

const IP_VS_CONN_F_TUNNEL: u32 = 2;
const IP_VS_CONN_F_TUNNEL_TYPE_GUE: u8 = 1;
/// `IP_VS_DEST_TRASH_PERIOD`, in seconds.
const TRASH_PERIOD: u64 = 120;

impl Kernel {
    /// `ip_vs_add_service`
    pub(in super::super) fn add_service(&mut self, user: &ServiceSpec) -> Result<(), Errno> {
        if self.position(&user.key).is_ok() {
            return Err(libc::EEXIST);
        }
        let engine = check_service(user)?;
        self.room()?;
        let serial = self.next_serial();
        self.services.push(Service {
            serial,
            key: user.key,
            scheduler: user.scheduler.clone(),
            engine,
            flags: user.flags & user.mask | IP_VS_SVC_F_HASHED,
            timeout: user.timeout.wrapping_mul(HZ),
            netmask: user.netmask.0,
            stats: Stats::default(),
            destinations: Vec::new(),
        });
        Ok(())
    }

    /// `ip_vs_edit_service`
    pub(in super::super) fn edit_service(&mut self, user: &ServiceSpec) -> Result<(), Errno> {
        let position = self.position(&user.key)?;
        let engine = check_service(user)?;
        self.room()?;
        let service = &mut self.services[position];
        service.scheduler.clone_from(&user.scheduler);
        service.engine = engine;
        service.flags = service.flags & !user.mask | user.flags & user.mask | IP_VS_SVC_F_HASHED;
        service.timeout = user.timeout.wrapping_mul(HZ);
        service.netmask = user.netmask.0;
        Ok(())
    }

    /// `ip_vs_del_service`
    pub(in super::super) fn delete_service(&mut self, key: &ServiceKey) -> Result<(), Errno> {
        let position = self.position(key)?;
        let service = self.services.remove(position);
        for destination in service.destinations {
            self.unlink(key, destination);
        }
        Ok(())
    }

    /// `ip_vs_flush`
    pub(in super::super) fn flush(&mut self) {
        let keys: Vec<_> = self.dump().iter().map(|service| service.key).collect();
        for key in keys {
            self.delete_service(&key).expect("it is there");
        }
    }

    /// `ip_vs_zero_service`
    pub(in super::super) fn zero_service(&mut self, key: &ServiceKey) -> Result<(), Errno> {
        let position = self.position(key)?;
        let service = &mut self.services[position];
        for destination in &mut service.destinations {
            destination.stats.zero();
        }
        service.stats.zero();
        Ok(())
    }

    /// `ip_vs_zero_all`
    pub(in super::super) fn zero_all(&mut self) {
        for service in self.services.clone() {
            self.zero_service(&service.key).expect("it is there");
        }
    }

    /// The part of `ip_vs_genl_set_cmd` about destinations, then `ip_vs_add_dest`. Returns the
    /// serial number.
    pub(in super::super) fn add_destination(
        &mut self,
        key: &ServiceKey,
        user: &DestinationSpec,
    ) -> Result<u64, Errno> {
        let position = self.position(key)?;
        self.check_destination(key, user)?;
        if self.services[position].lookup(&user.key).is_some() {
            return Err(libc::EEXIST);
        }
        let trashed = self.trash_position(key, &user.key);
        if trashed.is_none() {
            check_address(user.key.addr)?;
        }
        self.room()?;
        let service = self.services[position].serial;
        let mut destination = match trashed {
            Some(trashed) => self.trash.remove(trashed),
            None => Destination {
                serial: self.next_serial(),
                spec: *user,
                last_weight: 0,
                of: *key,
                service,
                active: 0,
                stats: Stats::default(),
                idle_start: None,
            },
        };
        // __ip_vs_update_dest
        if user.key.family() != key.family() {
            self.mixed_address_family_dests += 1;
        }
        destination.last_weight = user.weight;
        destination.spec = *user;
        if destination.service != service {
            destination.stats.zero();
            destination.service = service;
        }
        let serial = destination.serial;
        self.services[position].destinations.insert(0, destination);
        Ok(serial)
    }

    /// The same, then `ip_vs_edit_dest`.
    pub(in super::super) fn edit_destination(
        &mut self,
        key: &ServiceKey,
        user: &DestinationSpec,
    ) -> Result<(), Errno> {
        let position = self.position(key)?;
        self.check_destination(key, user)?;
        let at = self.services[position].lookup(&user.key);
        let at = at.ok_or(libc::ENOENT)?;
        self.room()?;
        let destination = &mut self.services[position].destinations[at];
        if user.weight != 0 {
            destination.last_weight = user.weight;
        }
        destination.spec = *user;
        Ok(())
    }

    /// `ip_vs_del_dest`
    pub(in super::super) fn delete_destination(
        &mut self,
        key: &ServiceKey,
        destination: &DestinationKey,
    ) -> Result<(), Errno> {
        let position = self.position(key)?;
        let at = self.services[position].lookup(destination);
        let at = at.ok_or(libc::ENOENT)?;
        self.room()?;
        let destination = self.services[position].destinations.remove(at);
        self.unlink(key, destination);
        Ok(())
    }

    fn check_destination(&self, key: &ServiceKey, user: &DestinationSpec) -> Result<(), Errno> {
        if user.key.family() != key.family() {
            if self.master.is_some() || self.backup.is_some() {
                return Err(libc::EINVAL);
            }
            if user.forwarding.to_raw() != IP_VS_CONN_F_TUNNEL {
                return Err(libc::EINVAL);
            }
        }
        if user.weight < 0 || user.lower_threshold > user.upper_threshold {
            return Err(libc::ERANGE);
        }
        if user.upper_threshold > 0x7fff_ffff {
            return Err(libc::EINVAL);
        }
        if user.tunnel.kind == IP_VS_CONN_F_TUNNEL_TYPE_GUE && user.tunnel.port == 0 {
            return Err(libc::EINVAL);
        }
        Ok(())
    }

    /// `__ip_vs_unlink_dest`, `__ip_vs_del_dest`
    pub(super) fn unlink(&mut self, key: &ServiceKey, mut destination: Destination) {
        if destination.spec.key.family() != key.family() {
            self.mixed_address_family_dests -= 1;
        }
        destination.idle_start = None;
        self.trash.insert(0, destination);
    }

    /// `ip_vs_trash_get_dest`
    fn trash_position(&self, key: &ServiceKey, wanted: &DestinationKey) -> Option<usize> {
        self.trash.iter().position(|destination| {
            destination.spec.key == *wanted
                && destination.of.fwmark() == key.fwmark()
                && destination.of.protocol() == key.protocol()
                && (key.fwmark().is_some() || destination.of == *key)
        })
    }

    /// `ip_vs_dest_trash_expire`. Returns the serial numbers of the removed ones.
    pub(in super::super) fn expire_trash(&mut self, seconds: u64) -> Vec<u64> {
        self.now += seconds;
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        for mut destination in std::mem::take(&mut self.trash) {
            match (destination.active > 0, destination.idle_start) {
                (true, _) => kept.push(destination),
                (false, None) => {
                    destination.idle_start = Some(self.now);
                    kept.push(destination);
                }
                (false, Some(start)) if self.now < start + TRASH_PERIOD => kept.push(destination),
                (false, Some(_)) => gone.push(destination.serial),
            }
        }
        self.trash = kept;
        gone
    }
}

/// The checks that adding and editing a service share; returns the persistence engine.
fn check_service(user: &ServiceSpec) -> Result<Option<Vec<u8>>, Errno> {
    if user.scheduler != b"none" && !SCHEDULERS.contains(&&user.scheduler[..]) {
        return Err(libc::ENOENT);
    }
    let engine = user.persistence_engine.clone();
    let engine = engine.filter(|name| !name.is_empty());
    if engine.as_ref().is_some_and(|name| name != b"sip") {
        return Err(libc::ENOENT);
    }
    let is_inet6 = user.key.family().to_raw() == 10;
    if is_inet6 && !(1..=128).contains(&user.netmask.0) {
        return Err(libc::EINVAL);
    }
    Ok(engine)
}

impl Service {
    /// `ip_vs_lookup_dest`
    fn lookup(&self, key: &DestinationKey) -> Option<usize> {
        let mut destinations = self.destinations.iter();
        destinations.position(|destination| destination.spec.key == *key)
    }
}

/// The first part of `ip_vs_new_dest`.
fn check_address(address: IpAddr) -> Result<(), Errno> {
    let possible = match address {
        IpAddr::V4(address) => {
            [RouteType::Local, RouteType::Unicast].contains(&FakeHost.address_type(address))
        }
        IpAddr::V6(address) => {
            is_unicast(address) && !is_link_local(address) || FakeHost.is_local_v6(address)
        }
    };
    if possible { Ok(()) } else { Err(libc::EINVAL) }
}
