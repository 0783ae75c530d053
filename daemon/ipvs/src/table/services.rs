//! Adding, editing and deleting services.

use crate::service::Settings;
use crate::{
    Cause, DataPath, Error, HZ, PersistenceEngine, Scheduler, Service, ServiceFlags, ServiceId,
    ServiceKey, ServiceSpec, Table,
};

impl Table {
    /// Adds a service (`ip_vs_add_service`).
    ///
    /// # Errors
    ///
    /// In the order of the checks: [`Error::ServiceExists`], [`Error::NoSuchScheduler`],
    /// [`Error::NoSuchPersistenceEngine`], [`Error::PrefixLength`], [`Error::DataPath`].
    pub fn add_service(
        &mut self,
        spec: ServiceSpec,
        path: &mut dyn DataPath,
    ) -> Result<ServiceId, Error> {
        let key = spec.key;
        if self.services.get(&key).is_some() {
            return Err(Error::ServiceExists { service: key });
        }
        let settings = settings(&spec, ServiceFlags::default())?;
        let full = |reason| Error::DataPath {
            service: key,
            reason,
        };
        let id = path.alloc_service_id(self.ns).map_err(full)?;
        let service = Service {
            id,
            key,
            number: self.services.next_number(),
            settings,
            destinations: Default::default(),
        };
        path.publish(self.ns, &service, Cause::ServiceAdded)
            .map_err(full)?;
        self.services.insert(service);
        Ok(id)
    }

    /// Edits a service (`ip_vs_edit_service`). Its destinations and counters are kept.
    ///
    /// # Errors
    ///
    /// In the order of the checks: [`Error::NoSuchService`], [`Error::NoSuchScheduler`],
    /// [`Error::NoSuchPersistenceEngine`], [`Error::PrefixLength`], [`Error::DataPath`].
    pub fn edit_service(
        &mut self,
        spec: ServiceSpec,
        path: &mut dyn DataPath,
    ) -> Result<(), Error> {
        let key = spec.key;
        let service = self
            .services
            .get_mut(&key)
            .ok_or(Error::NoSuchService { service: key })?;
        let new = settings(&spec, service.settings.flags)?;
        let old = std::mem::replace(&mut service.settings, new);
        let cause = Cause::ServiceEdited {
            rebound: new.scheduler != old.scheduler,
        };
        path.publish(self.ns, service, cause).map_err(|reason| {
            service.settings = old;
            Error::DataPath {
                service: key,
                reason,
            }
        })
    }

    /// Deletes a service (`ip_vs_del_service`). Its destinations are moved to the trash.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchService`].
    pub fn delete_service(
        &mut self,
        key: &ServiceKey,
        path: &mut dyn DataPath,
    ) -> Result<(), Error> {
        let service = self
            .services
            .remove(key)
            .ok_or(Error::NoSuchService { service: *key })?;
        self.retire(service, path);
        Ok(())
    }

    /// Deletes all services (`ip_vs_flush`).
    pub fn flush(&mut self, path: &mut dyn DataPath) {
        for service in self.services.take_all() {
            self.retire(service, path);
        }
    }

    /// Completes the deletion of a service that was removed from the table (`__ip_vs_del_service`).
    fn retire(&mut self, service: Service, path: &mut dyn DataPath) {
        path.withdraw(self.ns, &service);
        for destination in service.destinations {
            self.trash.put(service.key, service.number, &destination);
        }
    }
}

/// The settings in a client's request; `flags` are the current ones of the service.
fn settings(spec: &ServiceSpec, flags: ServiceFlags) -> Result<Settings, Error> {
    let service = spec.key;
    let scheduler =
        Scheduler::from_name(&spec.scheduler).ok_or_else(|| Error::NoSuchScheduler {
            service,
            name: spec.scheduler.clone(),
        })?;
    let persistence_engine = match spec.persistence_engine.as_deref() {
        None | Some([]) => None,
        Some(name) => Some(PersistenceEngine::from_name(name).ok_or_else(|| {
            Error::NoSuchPersistenceEngine {
                service,
                name: name.to_vec(),
            }
        })?),
    };
    if !spec.netmask.is_valid_for(service.family()) {
        return Err(Error::PrefixLength {
            service,
            length: spec.netmask.prefix_length(),
        });
    }
    Ok(Settings {
        scheduler,
        persistence_engine,
        flags: flags.updated(spec.flags, spec.mask),
        timeout_ticks: spec.timeout.wrapping_mul(HZ),
        netmask: spec.netmask,
    })
}
