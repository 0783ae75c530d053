//! Adding, editing and deleting destinations, with valid requests.

use super::fake::{Fixture, destination, server, tcp, tunnel};
use crate::{
    Cause, DataPathFull, DestinationKey, DestinationSpec, Error, ForwardingMethod, TunnelInfo,
};

fn keys(fixture: &Fixture, index: usize) -> Vec<DestinationKey> {
    let service = fixture.service(&tcp("10.0.0.1:80"));
    service
        .destinations_from(index)
        .map(|destination| *destination.key())
        .collect()
}

#[test]
fn a_destination_has_the_clients_configuration() {
    let (mut fixture, key) = Fixture::with_service();
    let spec = DestinationSpec {
        key: server("10.0.0.2:8080"),
        forwarding: ForwardingMethod::from_raw(7),
        weight: i32::MAX,
        upper_threshold: 100,
        lower_threshold: 40,
        tunnel: TunnelInfo {
            kind: 200,
            port: 0,
            flags: 3,
        },
    };
    let id = fixture.try_destination(&key, spec).unwrap();

    let service = fixture.service(&key);
    let destination = service.destination(&spec.key).unwrap();
    assert_eq!((destination.id(), *destination.key()), (id, spec.key));
    assert_eq!(destination.forwarding(), spec.forwarding);
    assert_eq!(
        (destination.weight(), destination.last_weight()),
        (i32::MAX, i32::MAX)
    );
    assert_eq!(
        (destination.upper_threshold(), destination.lower_threshold()),
        (100, 40)
    );
    assert_eq!(destination.tunnel(), spec.tunnel);
    assert_eq!(fixture.path.last(), (service, Cause::DestinationAdded(id)));
}

#[test]
fn destinations_are_listed_newest_first() {
    let (mut fixture, key) = Fixture::with_service();
    for at in ["10.0.0.2:80", "10.0.0.3:80", "10.0.0.3:81"] {
        fixture.add_destination(&key, at);
    }
    let [first, second, third] = [
        server("10.0.0.3:81"),
        server("10.0.0.3:80"),
        server("10.0.0.2:80"),
    ];
    assert_eq!(keys(&fixture, 0), [first, second, third]);
    assert_eq!(keys(&fixture, 2), [third]);
    assert_eq!(keys(&fixture, 3), []);
    assert_eq!(keys(&fixture, 99), []);

    fixture.delete_destination(&key, "10.0.0.3:80");
    assert_eq!(keys(&fixture, 0), [first, third]);
    fixture.add_destination(&key, "10.0.0.3:80");
    assert_eq!(keys(&fixture, 0), [second, first, third]);
}

#[test]
fn an_edit_keeps_position_and_id() {
    let (mut fixture, key) = Fixture::with_service();
    let id = fixture.add_destination(&key, "10.0.0.2:80");
    fixture.add_destination(&key, "10.0.0.3:80");
    let before = keys(&fixture, 0);
    let spec = DestinationSpec {
        weight: 5,
        ..destination("10.0.0.2:80")
    };
    fixture
        .table
        .edit_destination(&key, spec, &mut fixture.path)
        .unwrap();

    assert_eq!(keys(&fixture, 0), before);
    let service = fixture.service(&key);
    let edited = service.destination(&spec.key).unwrap();
    assert_eq!((edited.id(), edited.weight()), (id, 5));
    assert_eq!(fixture.path.last(), (service, Cause::DestinationEdited(id)));
}

#[test]
fn the_last_weight_is_kept_with_a_weight_of_zero() {
    let (mut fixture, key) = Fixture::with_service();
    fixture.add_destination(&key, "10.0.0.2:80");
    for (weight, last) in [(7, 7), (0, 7), (3, 3), (0, 3)] {
        let spec = DestinationSpec {
            weight,
            ..destination("10.0.0.2:80")
        };
        fixture
            .table
            .edit_destination(&key, spec, &mut fixture.path)
            .unwrap();
        let edited = fixture.service(&key).destination(&spec.key).unwrap();
        assert_eq!((edited.weight(), edited.last_weight()), (weight, last));
    }
    // Adding sets it, also to 0, and also for a destination from the trash.
    fixture.delete_destination(&key, "10.0.0.2:80");
    let spec = DestinationSpec {
        weight: 0,
        ..destination("10.0.0.2:80")
    };
    fixture.try_destination(&key, spec).unwrap();
    assert_eq!(
        fixture
            .service(&key)
            .destination(&spec.key)
            .unwrap()
            .last_weight(),
        0
    );
}

#[test]
fn recovery_starts_at_three_quarters_by_default() {
    let cases = [(0, 0, 0), (100, 0, 75), (3, 0, 3), (5, 0, 4), (100, 10, 10)];
    for (upper_threshold, lower_threshold, recovery) in cases {
        let (mut fixture, key) = Fixture::with_service();
        let spec = DestinationSpec {
            upper_threshold,
            lower_threshold,
            ..destination("10.0.0.2:80")
        };
        fixture.try_destination(&key, spec).unwrap();
        let added = fixture.service(&key).destination(&spec.key).unwrap();
        assert_eq!(added.recovery_threshold(), recovery, "{upper_threshold}");
    }
}

#[test]
fn a_deletion_is_published() {
    let (mut fixture, key) = Fixture::with_service();
    let id = fixture.add_destination(&key, "10.0.0.2:80");
    fixture.delete_destination(&key, "10.0.0.2:80");
    let (service, cause) = fixture.path.last();
    let behind = None;
    assert_eq!(cause, Cause::DestinationDeleted { id, behind });
    assert_eq!(service.destinations().len(), 0);
    assert!(fixture.path.withdrawn.is_empty());
}

#[test]
fn deleting_only_uses_the_key() {
    let (mut fixture, key) = Fixture::with_service();
    fixture
        .try_destination(&key, tunnel("[2001:db8::2]:80"))
        .unwrap();
    fixture.delete_destination(&key, "[2001:db8::2]:80");
    let other = server("[2001:db8::2]:80");
    let error = fixture
        .table
        .delete_destination(&key, &other, &mut fixture.path)
        .unwrap_err();
    assert_eq!(
        error,
        Error::NoSuchDestination {
            service: key,
            destination: other
        }
    );
}

#[test]
fn a_full_data_path_leaves_the_table_unchanged() {
    let (mut fixture, key) = Fixture::with_service();
    for at in [
        "10.0.0.2:80",
        "10.0.0.3:80",
        "10.0.0.4:80",
        "10.0.0.5:80",
        "10.0.0.6:80",
    ] {
        fixture.add_destination(&key, at);
    }
    fixture.delete_destination(&key, "10.0.0.5:80");
    fixture.delete_destination(&key, "10.0.0.6:80");
    let before = fixture.snapshot();
    fixture.path.refuses = Some(DataPathFull::NoSpace);
    let full = Error::DataPath {
        service: key,
        reason: DataPathFull::NoSpace,
    };

    for new in ["10.0.0.7:80", "10.0.0.5:80", "10.0.0.6:80"] {
        assert_eq!(
            fixture.try_destination(&key, destination(new)),
            Err(full.clone())
        );
        assert_eq!(fixture.snapshot(), before, "adding {new}");
    }
    for at in ["10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"] {
        let spec = DestinationSpec {
            weight: 9,
            upper_threshold: 5,
            ..destination(at)
        };
        let edited = fixture
            .table
            .edit_destination(&key, spec, &mut fixture.path);
        assert_eq!(edited, Err(full.clone()));
        assert_eq!(fixture.snapshot(), before, "editing {at}");
        let deleted = fixture
            .table
            .delete_destination(&key, &spec.key, &mut fixture.path);
        assert_eq!(deleted, Err(full.clone()));
        assert_eq!(fixture.snapshot(), before, "deleting {at}");
    }
}

#[test]
fn the_same_server_may_be_in_many_services() {
    let (mut fixture, key) = Fixture::with_service();
    let other = tcp("10.0.0.1:81");
    fixture.add(other);
    let ids = [key, other].map(|key| fixture.add_destination(&key, "10.0.0.2:80"));
    assert_ne!(ids[0], ids[1]);
}
