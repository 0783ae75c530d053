//! Adding, editing and deleting services.

use super::{Errno, HZ, Kernel, Service, Stats};
use crate::{ServiceKey, ServiceSpec};

const IP_VS_SVC_F_HASHED: u32 = 0x2;
const SCHEDULERS: [&[u8]; 14] = [
    b"rr", b"wrr", b"lc", b"wlc", b"sed", b"nq", b"fo", b"ovf", b"twos", b"sh", b"dh", b"mh",
    b"lblc", b"lblcr",
];

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
