//! The rules for changing services and destinations (`ip_vs_add_service`, `ip_vs_add_dest` and
//! their like).

use std::net::IpAddr;

use crate::service::Settings;
use crate::{
    Cause, DataPath, Destination, DestinationId, DestinationKey, DestinationSpec, Error,
    ForwardingMethod, HZ, Host, Ipv6Kind, PersistenceEngine, RouteType, Scheduler, Service,
    ServiceFlags, ServiceId, ServiceKey, ServiceSpec, Table, TunnelKind,
};

/// The highest upper threshold (`INT_MAX`).
const HIGHEST_THRESHOLD: u32 = i32::MAX.unsigned_abs();

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

    /// Adds a destination to a service (`ip_vs_add_dest`).
    ///
    /// One that was deleted recently is restored from the trash: it keeps its id, and its counters,
    /// too, if the service is still the same one. As in the kernel, its address is not checked
    /// again.
    ///
    /// # Errors
    ///
    /// In the order of the checks: [`Error::NoSuchService`], [`Error::MixedFamiliesWhileSyncing`],
    /// [`Error::MixedFamiliesWithoutTunnel`], [`Error::NegativeWeight`],
    /// [`Error::ThresholdsCrossed`], [`Error::UpperThresholdTooLarge`],
    /// [`Error::TunnelWithoutPort`], [`Error::DestinationExists`], [`Error::DestinationAddress`],
    /// [`Error::DataPath`].
    pub fn add_destination(
        &mut self,
        key: &ServiceKey,
        spec: DestinationSpec,
        host: &dyn Host,
        path: &mut dyn DataPath,
    ) -> Result<DestinationId, Error> {
        let syncing = self.sync_daemons.any();
        let service = self
            .services
            .get_mut(key)
            .ok_or(Error::NoSuchService { service: *key })?;
        check(key, &spec, syncing)?;
        if service.destination(&spec.key).is_some() {
            return Err(Error::DestinationExists {
                service: *key,
                destination: spec.key,
            });
        }

        let trashed = self.trash.find(key, &spec.key);
        let full = |reason| Error::DataPath {
            service: *key,
            reason,
        };
        let back = trashed.and_then(|position| self.trash.get(position, service));
        let id = match back {
            Some((id, is_same_service)) => {
                if !is_same_service {
                    path.zero_destination(id);
                }
                id
            }
            None => {
                check_address(key, &spec.key, host)?;
                path.alloc_destination_id(self.ns).map_err(full)?
            }
        };
        service.destinations.push_front(Destination::new(id, spec));
        if let Err(reason) = path.publish(self.ns, service, Cause::DestinationAdded(id)) {
            service.destinations.remove(0);
            if back.is_none() {
                path.free_destination_id(id);
            }
            return Err(full(reason));
        }
        if let Some(position) = trashed {
            self.trash.remove(position);
        }
        Ok(id)
    }

    /// Edits a destination of a service (`ip_vs_edit_dest`). Its connections and counters are kept.
    ///
    /// # Errors
    ///
    /// In the order of the checks: those of [`Table::add_destination`] up to
    /// [`Error::TunnelWithoutPort`], then [`Error::NoSuchDestination`], [`Error::DataPath`].
    pub fn edit_destination(
        &mut self,
        key: &ServiceKey,
        spec: DestinationSpec,
        path: &mut dyn DataPath,
    ) -> Result<(), Error> {
        let syncing = self.sync_daemons.any();
        let service = self
            .services
            .get_mut(key)
            .ok_or(Error::NoSuchService { service: *key })?;
        check(key, &spec, syncing)?;
        let destination = find_mut(service, &spec.key)?;
        let id = destination.id();
        let edited = destination.edited(spec);
        let old = std::mem::replace(destination, edited);
        path.publish(self.ns, service, Cause::DestinationEdited(id))
            .map_err(|reason| {
                if let Ok(destination) = find_mut(service, &spec.key) {
                    *destination = old;
                }
                Error::DataPath {
                    service: *key,
                    reason,
                }
            })
    }

    /// Deletes a destination from a service (`ip_vs_del_dest`). It is moved to the trash; its
    /// connections are kept.
    ///
    /// # Errors
    ///
    /// In the order of the checks: [`Error::NoSuchService`], [`Error::NoSuchDestination`],
    /// [`Error::DataPath`].
    pub fn delete_destination(
        &mut self,
        key: &ServiceKey,
        destination: &DestinationKey,
        path: &mut dyn DataPath,
    ) -> Result<(), Error> {
        let service = self
            .services
            .get_mut(key)
            .ok_or(Error::NoSuchService { service: *key })?;
        let position = find(service, destination)?;
        let Some(removed) = service.destinations.remove(position) else {
            return Err(Error::NoSuchDestination {
                service: *key,
                destination: *destination,
            });
        };
        let behind = position
            .checked_sub(1)
            .and_then(|previous| service.destinations.get(previous))
            .map(Destination::id);
        let cause = Cause::DestinationDeleted {
            id: removed.id(),
            behind,
        };
        if let Err(reason) = path.publish(self.ns, service, cause) {
            service.destinations.insert(position, removed);
            return Err(Error::DataPath {
                service: *key,
                reason,
            });
        }
        self.trash.put(*key, service.number, &removed);
        Ok(())
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

/// The checks that adding and editing share (`ip_vs_genl_set_cmd`, then `ip_vs_add_dest` or
/// `ip_vs_edit_dest`).
fn check(key: &ServiceKey, spec: &DestinationSpec, syncing: bool) -> Result<(), Error> {
    let (service, destination) = (*key, spec.key);
    if destination.family() != service.family() {
        if syncing {
            return Err(Error::MixedFamiliesWhileSyncing {
                service,
                destination,
            });
        }
        if spec.forwarding != ForwardingMethod::TUNNEL {
            return Err(Error::MixedFamiliesWithoutTunnel {
                service,
                destination,
            });
        }
    }
    let (lower, upper) = (spec.lower_threshold, spec.upper_threshold);
    if spec.weight < 0 {
        return Err(Error::NegativeWeight {
            service,
            destination,
            weight: spec.weight,
        });
    }
    if lower > upper {
        return Err(Error::ThresholdsCrossed {
            service,
            destination,
            lower,
            upper,
        });
    }
    if upper > HIGHEST_THRESHOLD {
        return Err(Error::UpperThresholdTooLarge {
            service,
            destination,
            upper,
        });
    }
    if spec.tunnel.known_kind() == Some(TunnelKind::Gue) && spec.tunnel.port == 0 {
        return Err(Error::TunnelWithoutPort {
            service,
            destination,
        });
    }
    Ok(())
}

/// Whether a server can have this address (`ip_vs_new_dest`).
fn check_address(
    key: &ServiceKey,
    destination: &DestinationKey,
    host: &dyn Host,
) -> Result<(), Error> {
    let possible = match destination.addr {
        IpAddr::V4(addr) => {
            matches!(
                host.address_type(addr),
                RouteType::Local | RouteType::Unicast
            )
        }
        IpAddr::V6(addr) => Ipv6Kind::of(addr).is_reachable_unicast() || host.is_local_v6(addr),
    };
    if possible {
        Ok(())
    } else {
        Err(Error::DestinationAddress {
            service: *key,
            destination: *destination,
        })
    }
}

fn find(service: &Service, destination: &DestinationKey) -> Result<usize, Error> {
    service
        .position(destination)
        .ok_or(Error::NoSuchDestination {
            service: service.key,
            destination: *destination,
        })
}

fn find_mut<'s>(
    service: &'s mut Service,
    destination: &DestinationKey,
) -> Result<&'s mut Destination, Error> {
    let position = find(service, destination)?;
    service
        .destinations
        .get_mut(position)
        .ok_or(Error::NoSuchDestination {
            service: service.key,
            destination: *destination,
        })
}
