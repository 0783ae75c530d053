//! The table of one network namespace: its IPVS state, and the operations that clients request.
//!
//! `changes` are the rules for changing services and destinations; this file has the table itself,
//! what concerns the namespace as a whole, and counters, which the data path keeps. Replies are not
//! built here.

mod buckets;
mod changes;

use std::time::Duration;

use self::buckets::Buckets;
use super::sync_daemon::SyncDaemons;
use super::trash::Trash;
use super::{
    DataPath, Destination, DestinationId, DestinationReading, Error, Host, Namespace, Service,
    ServiceKey, Setting, SettingError, Settings, Stats, SyncDaemon, SyncDaemonSpec, Timeouts,
    TimeoutsUpdate,
};

/// The IPVS state of one network namespace (`struct netns_ipvs`).
#[derive(Clone, Debug)]
pub struct Table {
    ns: Namespace,
    services: Buckets,
    trash: Trash,
    timeouts: Timeouts,
    settings: Settings,
    sync_daemons: SyncDaemons,
}

/// General information about IPVS (`IPVS_CMD_GET_INFO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// `IP_VS_VERSION_CODE`: 1.2.1, one byte each.
    pub version: u32,
    /// The number of buckets of the kernel's connection table. sockvs has none; this is the
    /// kernel's default.
    pub connection_table_size: u32,
}

impl Table {
    /// An empty table.
    pub fn new(ns: Namespace) -> Self {
        Self {
            ns,
            services: Buckets::new(),
            trash: Trash::default(),
            timeouts: Timeouts::default(),
            settings: Settings::default(),
            sync_daemons: SyncDaemons::default(),
        }
    }

    /// The table's namespace.
    pub fn namespace(&self) -> Namespace {
        self.ns
    }

    /// Whether there are no services.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of services.
    pub fn len(&self) -> usize {
        self.services.len()
    }

    /// The service with exactly this key (`ip_vs_genl_find_service`), not one that would match
    /// connections to this address, too.
    pub fn service(&self, key: &ServiceKey) -> Option<&Service> {
        self.services.get(key)
    }

    /// The services from an index on, in the kernel's dump order (`ip_vs_genl_dump_services`): a
    /// dump that was interrupted after n services continues with `services_from(n)`. As in the
    /// kernel, changes in between may make it repeat or miss some.
    ///
    /// Skipping costs the same for every index.
    pub fn services_from(&self, index: usize) -> impl Iterator<Item = &Service> {
        self.services.iter_from(index)
    }

    /// All services, in no particular order.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.iter()
    }

    /// The reply to `IPVS_CMD_GET_INFO`.
    pub fn info(&self) -> Info {
        Info {
            version: 0x01_02_01,
            connection_table_size: 1 << 12,
        }
    }

    /// The timeouts in force (`__ip_vs_get_timeouts`).
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Sets timeouts (`ip_vs_genl_set_config`, `ip_vs_set_timeout`).
    ///
    /// # Errors
    ///
    /// [`Error::TimeoutOutOfRange`] if any of them is too long; then none is changed.
    pub fn set_timeouts(
        &mut self,
        update: TimeoutsUpdate,
        path: &mut dyn DataPath,
    ) -> Result<(), Error> {
        self.timeouts.update(update)?;
        path.configure(self.ns, &self.timeouts, &self.settings);
        Ok(())
    }

    /// The sysctls of the namespace (`net.ipv4.vs.*`).
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sets a sysctl from the text that is written to its file.
    ///
    /// # Errors
    ///
    /// [`SettingError`] if the value is invalid; the sysctl is then unchanged.
    pub fn set_setting(
        &mut self,
        setting: Setting,
        text: &str,
        path: &mut dyn DataPath,
    ) -> Result<(), SettingError> {
        self.settings.set(setting, text)?;
        path.configure(self.ns, &self.timeouts, &self.settings);
        Ok(())
    }

    /// Restores timeouts and sysctls of an earlier daemon.
    pub fn resume(&mut self, timeouts: TimeoutsUpdate, settings: Settings) -> Result<(), Error> {
        self.timeouts.update(timeouts)?;
        self.settings = settings;
        Ok(())
    }

    /// Starts a sync daemon (`ip_vs_genl_new_daemon`, `start_sync_thread`).
    ///
    /// # Errors
    ///
    /// In the order of the checks: [`Error::SyncGroupNotMulticast`],
    /// [`Error::SyncWithMixedFamilies`], [`Error::NoSuchInterface`], and then, by the state,
    /// [`Error::SyncDaemonRuns`] or [`Error::NoSuchSyncState`], and [`Error::SyncSocket`].
    pub fn start_sync_daemon(
        &mut self,
        spec: SyncDaemonSpec,
        host: &dyn Host,
        path: &mut dyn DataPath,
    ) -> Result<(), Error> {
        let mixed = self.services.iter().any(Service::has_mixed_families);
        let daemon = self.sync_daemons.start(spec, mixed, host)?;
        path.set_sync_daemon(self.ns, daemon.state(), Some(daemon));
        Ok(())
    }

    /// Stops the sync daemon of this state, as the client sent it (`stop_sync_thread`).
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchSyncState`], [`Error::SyncDaemonNotRunning`].
    pub fn stop_sync_daemon(&mut self, state: u32, path: &mut dyn DataPath) -> Result<(), Error> {
        let state = self.sync_daemons.stop(state)?;
        path.set_sync_daemon(self.ns, state, None);
        Ok(())
    }

    /// The running sync daemons, in dump order (`ip_vs_genl_dump_daemons`): master, backup.
    pub fn sync_daemons(&self) -> impl Iterator<Item = &SyncDaemon> {
        self.sync_daemons.iter()
    }

    /// Removes deleted destinations that were unused for [`TRASH_PERIOD`](super::TRASH_PERIOD), and
    /// returns them: the data path can then free their counters (`ip_vs_dest_trash_expire`).
    ///
    /// Must be called twice in each period, with the time of a monotonic clock.
    pub fn expire_trash(&mut self, now: Duration, path: &dyn DataPath) -> Vec<DestinationId> {
        let ns = self.ns;
        self.trash
            .expire(now, |id| path.destination_reading(ns, id).in_use())
    }

    /// Whether there are deleted destinations to call [`Table::expire_trash`] for.
    pub fn has_trash(&self) -> bool {
        !self.trash.is_empty()
    }

    /// The contents of the trash, for comparisons.
    #[cfg(test)]
    pub(super) fn trash(&self) -> &Trash {
        &self.trash
    }

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
