//! Counters as clients see them. The data path keeps them.

use crate::{DataPath, Destination, DestinationReading, Error, Service, ServiceKey, Stats, Table};

impl Table {
    /// The service's counters and rates (`ip_vs_copy_stats`).
    pub fn service_stats(&self, service: &Service, path: &dyn DataPath) -> Stats {
        path.service_stats(self.ns, service.id)
    }

    /// The destination's connections, counters and rates (`ip_vs_genl_fill_dest`).
    pub fn destination_reading(
        &self,
        destination: &Destination,
        path: &dyn DataPath,
    ) -> DestinationReading {
        path.destination_reading(self.ns, destination.id())
    }

    /// Zeroes the counters of a service and its destinations (`ip_vs_zero_service`).
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchService`].
    pub fn zero_service(&mut self, key: &ServiceKey, path: &mut dyn DataPath) -> Result<(), Error> {
        let service = self
            .services
            .get(key)
            .ok_or(Error::NoSuchService { service: *key })?;
        path.zero(self.ns, service);
        Ok(())
    }

    /// Zeroes all counters (`ip_vs_zero_all`).
    pub fn zero_all(&mut self, path: &mut dyn DataPath) {
        for service in self.services.iter() {
            path.zero(self.ns, service);
        }
    }
}
