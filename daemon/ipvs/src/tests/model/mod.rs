//! Applies random sequences of commands to the table and to a naive IPVS that was written from the
//! kernel's source, and compares the errors, and after each step the listing.

mod command;
mod kernel;

use std::{collections::HashMap, time::Duration};

use proptest::{prelude::*, sample::Index};

use self::{
    command::Command,
    kernel::{Kernel, SyncThread, Timeouts},
};
use super::fake::{FakeHost, Fixture, conns, read};
use crate::{
    Destination, DestinationId, DestinationReading, DestinationSpec, Error, Service, ServiceKey,
    SyncDaemon, SyncState,
};

/// Both, with the correspondence of their destinations.
#[derive(Default)]
struct Pair {
    ours: Fixture,
    kernel: Kernel,
    ids: HashMap<u64, DestinationId>,
    /// In seconds.
    now: u64,
}

/// A service as clients see it.
#[derive(Debug, PartialEq)]
struct ShownService {
    key: ServiceKey,
    scheduler: Vec<u8>,
    engine: Option<Vec<u8>>,
    flags: u32,
    /// In jiffies and in seconds.
    timeout: (u32, u32),
    netmask: u32,
    conns: u64,
    destinations: Vec<ShownDestination>,
}

/// A destination as clients and the data path see it.
#[derive(Debug, PartialEq)]
struct ShownDestination {
    id: DestinationId,
    spec: DestinationSpec,
    last_weight: i32,
    recovery_threshold: u32,
    active: u32,
    conns: u64,
}

/// The visible state of a namespace.
#[derive(Debug, PartialEq)]
struct Shown {
    services: Vec<ShownService>,
    timeouts: Timeouts,
    sync_threads: [Option<SyncThread>; 2],
    has_trash: bool,
}

impl Pair {
    /// Applies a command to both, and compares the results.
    fn step(&mut self, command: &Command) {
        let published_before = self.ours.path.published.len();
        let (ours, kernels) = self.both(command);
        let ours = ours.map_err(|error| error.errno());
        assert_eq!(ours, kernels, "{command:?}");
        if ours.is_err() {
            let published_now = self.ours.path.published.len();
            assert_eq!(
                published_before, published_now,
                "{command:?} is not published"
            );
        }
    }

    fn both(&mut self, command: &Command) -> (Result<(), Error>, Result<(), i32>) {
        let Fixture { table, path } = &mut self.ours;
        let kernel = &mut self.kernel;
        match command {
            Command::AddService(spec) => (
                table.add_service(spec.clone(), path).map(drop),
                kernel.add_service(spec),
            ),
            Command::EditService(spec) => (
                table.edit_service(spec.clone(), path),
                kernel.edit_service(spec),
            ),
            Command::DeleteService(key) => {
                (table.delete_service(key, path), kernel.delete_service(key))
            }
            Command::Flush => {
                table.flush(path);
                kernel.flush();
                (Ok(()), Ok(()))
            }
            Command::Zero(Some(key)) => (table.zero_service(key, path), kernel.zero_service(key)),
            Command::Zero(None) => {
                table.zero_all(path);
                kernel.zero_all();
                (Ok(()), Ok(()))
            }
            Command::AddDestination(key, spec) => {
                let ours = table.add_destination(key, *spec, &FakeHost, path);
                let kernels = kernel.add_destination(key, spec);
                if let (Ok(id), Ok(serial)) = (&ours, kernels) {
                    self.same_destination(serial, *id);
                }
                (ours.map(drop), kernels.map(drop))
            }
            Command::EditDestination(key, spec) => (
                table.edit_destination(key, *spec, path),
                kernel.edit_destination(key, spec),
            ),
            Command::DeleteDestination(key, destination) => (
                table.delete_destination(key, destination, path),
                kernel.delete_destination(key, destination),
            ),
            Command::SetTimeouts(update) => (
                table.set_timeouts(*update, path),
                kernel.set_timeouts(*update),
            ),
            Command::StartSync(spec) => (
                table.start_sync_daemon(spec.clone(), &FakeHost, path),
                kernel.start_sync(spec),
            ),
            Command::StopSync(state) => (
                table.stop_sync_daemon(*state, path),
                kernel.stop_sync(*state),
            ),
            Command::Connections { of, active, more } => {
                self.connect(of, *active, *more);
                (Ok(()), Ok(()))
            }
            Command::Wait(seconds) => {
                self.wait(*seconds);
                (Ok(()), Ok(()))
            }
            Command::Room(full) => {
                path.refuses = *full;
                kernel.no_room = full.map(|reason| reason.errno());
                (Ok(()), Ok(()))
            }
        }
    }

    /// Checks that a restored destination has its former id, and a new one has a new id.
    fn same_destination(&mut self, serial: u64, id: DestinationId) {
        let known = self.ids.values().any(|known| *known == id);
        match self.ids.get(&serial) {
            Some(before) => assert_eq!(*before, id, "it came back from the trash"),
            None => {
                assert!(!known, "{id:?} is another destination's");
                self.ids.insert(serial, id);
            }
        }
    }

    fn connect(&mut self, of: &Index, active: u32, more: u64) {
        let Some(now) = self.kernel.connect(of, active, more) else {
            return;
        };
        let reading = DestinationReading {
            active: now.active,
            ..read(conns(now.conns))
        };
        let id = self.ids[&now.serial];
        self.ours.path.destinations.insert(id, reading);
        if let Some((key, of_service)) = now.service {
            let id = self.ours.service(&key).id();
            self.ours.path.services.insert(id, conns(of_service));
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now += seconds;
        let now = Duration::from_secs(self.now);
        let dropped = self.ours.table.expire_trash(now, &self.ours.path);
        let kernels = self.kernel.expire_trash(seconds);
        let expected: Vec<_> = kernels.iter().map(|serial| self.ids[serial]).collect();
        assert_eq!(dropped, expected, "what leaves the trash");
    }

    /// The visible state of our table.
    fn ours(&self) -> Shown {
        let Fixture { table, path } = &self.ours;
        let destination = |destination: &Destination| {
            let reading = table.destination_reading(destination, path);
            ShownDestination {
                id: destination.id(),
                spec: DestinationSpec {
                    key: *destination.key(),
                    forwarding: destination.forwarding(),
                    weight: destination.weight(),
                    upper_threshold: destination.upper_threshold(),
                    lower_threshold: destination.lower_threshold(),
                    tunnel: destination.tunnel(),
                },
                last_weight: destination.last_weight(),
                recovery_threshold: destination.recovery_threshold(),
                active: reading.active,
                conns: reading.stats.conns,
            }
        };
        let service = |service: &Service| ShownService {
            key: *service.key(),
            scheduler: service.scheduler().name().into(),
            engine: service.persistence_engine().map(|one| one.name().into()),
            flags: service.flags().0,
            timeout: (service.timeout_ticks(), service.timeout()),
            netmask: service.netmask().0,
            conns: table.service_stats(service, path).conns,
            destinations: service.destinations().map(destination).collect(),
        };
        let timeouts = table.timeouts();
        let thread = |state| {
            let mut daemons = table.sync_daemons();
            daemons
                .find(|daemon| daemon.state() == state)
                .map(sync_thread)
        };
        Shown {
            services: table.services_from(0).map(service).collect(),
            timeouts: Timeouts([timeouts.tcp(), timeouts.tcp_fin(), timeouts.udp()]),
            sync_threads: [thread(SyncState::Master), thread(SyncState::Backup)],
            has_trash: table.has_trash(),
        }
    }

    /// The visible state of the kernel's.
    fn kernels(&self) -> Shown {
        let kernel = &self.kernel;
        let destination = |destination: &kernel::Destination| {
            let (upper, lower) = (
                destination.spec.upper_threshold,
                destination.spec.lower_threshold,
            );
            ShownDestination {
                id: self.ids[&destination.serial],
                spec: destination.spec,
                last_weight: destination.last_weight,
                recovery_threshold: if lower == 0 {
                    upper - (upper >> 2)
                } else {
                    lower
                },
                active: destination.active,
                conns: destination.stats.shown(),
            }
        };
        let service = |service: &kernel::Service| ShownService {
            key: service.key,
            scheduler: service.scheduler.clone(),
            engine: service.engine.clone(),
            flags: service.flags,
            timeout: (service.timeout, service.timeout / 250),
            netmask: service.netmask,
            conns: service.stats.shown(),
            destinations: service.destinations.iter().map(destination).collect(),
        };
        Shown {
            services: kernel.dump().into_iter().map(service).collect(),
            timeouts: kernel.timeouts,
            sync_threads: [kernel.master.clone(), kernel.backup.clone()],
            has_trash: !kernel.trash.is_empty(),
        }
    }
}

fn sync_thread(daemon: &SyncDaemon) -> SyncThread {
    SyncThread {
        interface: daemon.interface().to_vec(),
        id: daemon.sync_id(),
        longest: daemon.max_length(),
        group: daemon.group(),
        port: daemon.port(),
        ttl: daemon.ttl(),
    }
}

proptest! {
    #[test]
    fn any_commands_have_the_same_results_as_in_the_kernel(commands in command::sequence()) {
        let mut pair = Pair::default();
        for command in &commands {
            pair.step(command);
            prop_assert_eq!(pair.ours(), pair.kernels(), "after {:?}", command);
        }
    }
}
