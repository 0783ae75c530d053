//! Counters as clients see them: the data path's, from the point where a client last zeroed them.

use crate::ipvs::{
    DataPath, Destination, DestinationId, DestinationReading, Error, Namespace, Service,
    ServiceKey, Stats, Table,
};

impl Table {
    /// The service's counters as clients see them, and its rates (`ip_vs_copy_stats`).
    pub fn service_stats(&self, service: &Service, path: &dyn DataPath) -> Stats {
        path.service_stats(self.ns, service.id).since(&service.zero)
    }

    /// The destination's connections, its counters as clients see them, and its rates
    /// (`ip_vs_genl_fill_dest`).
    pub fn destination_reading(
        &self,
        destination: &Destination,
        path: &dyn DataPath,
    ) -> DestinationReading {
        let reading = path.destination_reading(self.ns, destination.id);
        DestinationReading {
            stats: reading.stats.since(&destination.zero),
            ..reading
        }
    }

    /// Makes the counters of a service and its destinations start from 0 (`ip_vs_zero_service`).
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchService`].
    pub fn zero_service(&mut self, key: &ServiceKey, path: &mut dyn DataPath) -> Result<(), Error> {
        let service = self
            .services
            .get_mut(key)
            .ok_or(Error::NoSuchService { service: *key })?;
        zero(self.ns, service, path);
        Ok(())
    }

    /// Takes up the zero points that a service and its destinations had with an earlier daemon.
    pub fn resume_zero_points(
        &mut self,
        key: &ServiceKey,
        zero: Stats,
        of_destination: impl Fn(DestinationId) -> Stats,
    ) {
        if let Some(service) = self.services.get_mut(key) {
            service.zero = zero;
            for destination in &mut service.destinations {
                destination.zero = of_destination(destination.id);
            }
        }
    }

    /// Makes all counters start from 0 (`ip_vs_zero_all`).
    pub fn zero_all(&mut self, path: &mut dyn DataPath) {
        for service in self.services.iter_mut() {
            zero(self.ns, service, path);
        }
    }
}

fn zero(ns: Namespace, service: &mut Service, path: &mut dyn DataPath) {
    service.zero = path.service_stats(ns, service.id);
    for destination in &mut service.destinations {
        destination.zero = path.destination_reading(ns, destination.id).stats;
    }
    path.zeroed(ns, service);
}
