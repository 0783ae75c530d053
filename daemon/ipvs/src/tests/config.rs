//! Timeouts and general information.

use super::fake::{Fixture, NS};
use crate::{Error, TimeoutsUpdate};

fn shown(fixture: &Fixture) -> (u32, u32, u32) {
    let timeouts = fixture.table.timeouts();
    (timeouts.tcp(), timeouts.tcp_fin(), timeouts.udp())
}

#[test]
fn info_is_the_kernels_default() {
    let info = Fixture::default().table.info();
    assert_eq!((info.version, info.connection_table_size), (0x010201, 4096));
}

#[test]
fn default_timeouts_are_the_kernels() {
    assert_eq!(shown(&Fixture::default()), (900, 120, 300));
}

#[test]
fn absent_and_zero_timeouts_are_unchanged() {
    let mut fixture = Fixture::default();
    let steps = [
        (TimeoutsUpdate::default(), (900, 120, 300)),
        (
            TimeoutsUpdate {
                tcp: Some(10),
                ..Default::default()
            },
            (10, 120, 300),
        ),
        (
            TimeoutsUpdate {
                tcp: Some(0),
                tcp_fin: Some(20),
                udp: Some(30),
            },
            (10, 20, 30),
        ),
        (
            TimeoutsUpdate {
                tcp: Some(0),
                tcp_fin: Some(0),
                udp: Some(0),
            },
            (10, 20, 30),
        ),
        (
            TimeoutsUpdate {
                tcp: Some(8_589_934),
                tcp_fin: Some(1),
                udp: None,
            },
            (8_589_934, 1, 30),
        ),
    ];
    for (update, expected) in steps {
        fixture
            .table
            .set_timeouts(update, &mut fixture.path)
            .unwrap();
        assert_eq!(shown(&fixture), expected);
        let settings = fixture.table.settings().clone();
        let configured = Some((NS, fixture.table.timeouts(), settings));
        assert_eq!(
            fixture.path.configured, configured,
            "published to the data path"
        );
    }
}

#[test]
fn one_timeout_that_is_too_long_refuses_all() {
    for long in [8_589_935, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let good = TimeoutsUpdate {
            tcp: Some(1),
            tcp_fin: Some(2),
            udp: Some(3),
        };
        let cases = [
            (
                TimeoutsUpdate {
                    tcp: Some(long),
                    ..good
                },
                "TCP",
            ),
            (
                TimeoutsUpdate {
                    tcp_fin: Some(long),
                    ..good
                },
                "TCP FIN",
            ),
            (
                TimeoutsUpdate {
                    udp: Some(long),
                    ..good
                },
                "UDP",
            ),
        ];
        for (update, expected) in cases {
            let mut fixture = Fixture::default();
            let error = fixture
                .table
                .set_timeouts(update, &mut fixture.path)
                .unwrap_err();
            assert_eq!(
                fixture.path.configured, None,
                "not published to the data path"
            );
            assert_eq!(error.errno(), libc::EINVAL);
            assert!(
                matches!(error, Error::TimeoutOutOfRange { which, seconds, .. }
                    if which == expected && seconds == long)
            );
            assert_eq!(shown(&fixture), (900, 120, 300));
        }
    }
}
