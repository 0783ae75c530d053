//! Counters, and zeroing them.

use super::fake::{Fixture, conns, read, tcp};
use crate::{DestinationReading, Stats};

fn stats(base: u64) -> Stats {
    Stats {
        conns: base + 1,
        inpkts: base + 2,
        outpkts: base + 3,
        inbytes: base + 4,
        outbytes: base + 5,
        cps: base + 6,
        inpps: base + 7,
        outpps: base + 8,
        inbps: base + 9,
        outbps: base + 10,
    }
}

#[test]
fn counters_and_rates_come_from_the_data_path() {
    let (mut fixture, key) = Fixture::with_service();
    let id = fixture.service(&key).id();
    let server = fixture.add_destination(&key, "10.0.0.2:80");
    let reading = |stats| DestinationReading {
        active: 3,
        inactive: 4,
        persistent: 5,
        stats,
    };
    let shown = |fixture: &Fixture| {
        let service = fixture.service(&key);
        let destination = service.destinations().next().unwrap();
        (
            fixture.table.service_stats(service, &fixture.path),
            fixture
                .table
                .destination_reading(destination, &fixture.path),
        )
    };

    fixture.path.services.insert(id, stats(100));
    fixture
        .path
        .destinations
        .insert(server, reading(stats(200)));
    assert_eq!(shown(&fixture), (stats(100), reading(stats(200))));

    fixture.table.zero_service(&key, &mut fixture.path).unwrap();
    let nothing = |rates: Stats| rates.from_nothing();
    assert_eq!(
        shown(&fixture),
        (nothing(stats(100)), reading(nothing(stats(200))))
    );
}

#[test]
fn one_service_or_all_are_zeroed() {
    let mut fixture = Fixture::default();
    let keys = [tcp("10.0.0.1:80"), tcp("10.0.0.2:80")];
    let mut servers = Vec::new();
    for key in keys {
        let id = fixture.add(key);
        fixture.path.services.insert(id, conns(5));
        let server = fixture.add_destination(&key, "10.0.0.3:80");
        fixture.path.destinations.insert(server, read(conns(6)));
        servers.push(server);
    }
    let shown = |fixture: &Fixture, key| {
        let service = fixture.service(&key);
        let destination = service.destinations().next().unwrap();
        (
            fixture.table.service_stats(service, &fixture.path).conns,
            fixture
                .table
                .destination_reading(destination, &fixture.path)
                .stats
                .conns,
        )
    };
    fixture
        .table
        .zero_service(&keys[0], &mut fixture.path)
        .unwrap();
    assert_eq!(keys.map(|key| shown(&fixture, key)), [(0, 0), (5, 6)]);
    fixture.table.zero_all(&mut fixture.path);
    assert_eq!(keys.map(|key| shown(&fixture, key)), [(0, 0), (0, 0)]);
}
