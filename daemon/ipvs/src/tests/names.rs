//! Conversions between numbers and names.

use std::net::Ipv4Addr;

use super::fake::{fwmark, server, tcp, v4};
use crate::{
    DataPathFull, Error, Family, ForwardingMethod, Ipv6Kind, Netmask, PersistenceEngine, RouteType,
    Scheduler, ServiceFlags, ServiceKey, SyncState, TunnelInfo, TunnelKind,
};

#[test]
fn families_have_the_kernels_numbers() {
    assert_eq!(Family::from_raw(2), Some(Family::Inet));
    assert_eq!(Family::from_raw(10), Some(Family::Inet6));
    for raw in [0, 1, 3, 9, 11, 258, u16::MAX] {
        assert_eq!(Family::from_raw(raw), None, "{raw}");
    }
    assert_eq!((Family::Inet.to_raw(), Family::Inet6.to_raw()), (2, 10));
}

#[test]
fn schedulers_are_found_by_their_exact_name() {
    for scheduler in Scheduler::ALL {
        assert_eq!(
            Scheduler::from_name(scheduler.name().as_bytes()),
            Some(*scheduler)
        );
    }
    assert_eq!(Scheduler::from_name(b"none"), Some(Scheduler::None));
    for name in [&b""[..], b"RR", b"rr ", b"rr\0", b"r", b"xyz", b"\xff"] {
        assert_eq!(Scheduler::from_name(name), None, "{name:?}");
    }
}

#[test]
fn persistence_engines_are_found_by_their_exact_name() {
    assert_eq!(
        PersistenceEngine::from_name(b"sip"),
        Some(PersistenceEngine::Sip)
    );
    assert_eq!(PersistenceEngine::Sip.name(), "sip");
    for name in [&b""[..], b"SIP", b"si"] {
        assert_eq!(PersistenceEngine::from_name(name), None, "{name:?}");
    }
}

#[test]
fn mark_zero_stands_for_no_mark() {
    assert_eq!(
        fwmark(Family::Inet, 0),
        ServiceKey::Address {
            protocol: 6,
            addr: v4("0.0.0.0"),
            port: 0
        }
    );
    assert_eq!(fwmark(Family::Inet6, 0).family(), Family::Inet6);
    assert_eq!(fwmark(Family::Inet6, 0).fwmark(), None);
}

#[test]
fn a_mark_service_is_tcp_of_its_family() {
    let key = fwmark(Family::Inet6, 5);
    assert_eq!((key.family(), key.protocol()), (Family::Inet6, 6));
    assert_eq!(key.fwmark().map(u32::from), Some(5));
    assert_ne!(key, fwmark(Family::Inet, 5));
}

#[test]
fn keys_are_displayed_like_in_ipvsadm() {
    assert_eq!(tcp("10.0.0.1:80").to_string(), "TCP 10.0.0.1:80");
    assert_eq!(tcp("[2001:db8::1]:80").to_string(), "TCP [2001:db8::1]:80");
    let of_protocol = |protocol| ServiceKey::Address {
        protocol,
        addr: v4("10.0.0.1"),
        port: 5,
    };
    assert_eq!(of_protocol(17).to_string(), "UDP 10.0.0.1:5");
    assert_eq!(of_protocol(132).to_string(), "SCTP 10.0.0.1:5");
    assert_eq!(of_protocol(300).to_string(), "protocol 300 10.0.0.1:5");
    assert_eq!(fwmark(Family::Inet, 3).to_string(), "FWM 3");
    assert_eq!(fwmark(Family::Inet6, 3).to_string(), "FWM 3 IPv6");
    assert_eq!(server("[::1]:8080").to_string(), "[::1]:8080");
}

#[test]
fn forwarding_methods_are_the_low_three_bits() {
    for raw in 0..16 {
        assert_eq!(ForwardingMethod::from_raw(raw).to_raw(), raw & 7);
    }
    assert_eq!(
        ForwardingMethod::from_raw(0xffff_fff8),
        ForwardingMethod::MASQUERADE
    );
    let named = [
        (ForwardingMethod::LOCAL, 1),
        (ForwardingMethod::TUNNEL, 2),
        (ForwardingMethod::DIRECT, 3),
        (ForwardingMethod::BYPASS, 4),
    ];
    for (method, raw) in named {
        assert_eq!(ForwardingMethod::from_raw(raw), method);
    }
}

#[test]
fn unknown_tunnel_kinds_are_kept() {
    let kind = |kind| {
        TunnelInfo {
            kind,
            ..TunnelInfo::default()
        }
        .known_kind()
    };
    assert_eq!(kind(0), Some(TunnelKind::Ipip));
    assert_eq!(kind(1), Some(TunnelKind::Gue));
    assert_eq!(kind(2), Some(TunnelKind::Gre));
    assert_eq!(kind(3), None);
}

#[test]
fn a_netmask_depends_on_the_family() {
    let mask = Netmask::from(Ipv4Addr::new(255, 255, 254, 0));
    assert_eq!(mask.mask(), Ipv4Addr::new(255, 255, 254, 0));
    assert_eq!(Netmask(u32::from_ne_bytes([255, 255, 254, 0])), mask);
    assert_eq!(Netmask(64).prefix_length(), 64);
}

#[test]
fn flags_contain_their_parts() {
    let flags = ServiceFlags(0x1 | 0x10);
    assert!(flags.contains(ServiceFlags::PERSISTENT));
    assert!(flags.contains(ServiceFlags::SCHED2));
    assert!(!flags.contains(ServiceFlags::SCHED1));
    assert!(!flags.contains(ServiceFlags(0x11 | 0x4)));
}

#[test]
fn sync_states_have_the_kernels_numbers() {
    assert_eq!(SyncState::from_raw(1), Some(SyncState::Master));
    assert_eq!(SyncState::from_raw(2), Some(SyncState::Backup));
    for raw in [0, 3, 4, u32::MAX] {
        assert_eq!(SyncState::from_raw(raw), None, "{raw}");
    }
}

#[test]
fn ipv6_addresses_are_classified_like_in_the_kernel() {
    use Ipv6Kind::{LinkLocal, Loopback, Multicast, Unicast, Unspecified, V4Mapped};
    let cases = [
        ("::", Unspecified, false),
        ("::1", Loopback, true),
        ("::2", Unicast, true),
        ("::10.0.0.1", Unicast, true),
        ("::ffff:10.0.0.1", V4Mapped, false),
        ("::fffe:10.0.0.1", Unicast, true),
        ("64:ff9b::1", Unicast, true),
        ("2001:db8::1", Unicast, true),
        ("fc00::1", Unicast, true),
        ("fdff::1", Unicast, true),
        ("fe00::1", Unicast, true),
        ("fe80::1", LinkLocal, false),
        ("febf:ffff::1", LinkLocal, false),
        ("fec0::1", Unicast, true),
        ("ff00::", Multicast, false),
        ("ff02::1", Multicast, false),
    ];
    for (addr, kind, reachable) in cases {
        let addr = addr.parse().unwrap();
        assert_eq!(Ipv6Kind::of(addr), kind, "{addr}");
        assert_eq!(kind.is_reachable_unicast(), reachable, "{addr}");
    }
}

#[test]
fn some_ipv4_addresses_need_no_routing_table() {
    let cases = [
        ("0.0.0.0", Some(RouteType::Broadcast)),
        ("0.0.0.1", None),
        ("255.255.255.255", Some(RouteType::Broadcast)),
        ("223.255.255.255", None),
        ("224.0.0.0", Some(RouteType::Multicast)),
        ("239.255.255.255", Some(RouteType::Multicast)),
        ("240.0.0.1", None),
        ("127.0.0.1", None),
    ];
    for (addr, expected) in cases {
        assert_eq!(
            RouteType::of_bits(addr.parse().unwrap()),
            expected,
            "{addr}"
        );
    }
}

#[test]
fn errors_say_what_failed_and_what_to_do() {
    let error = Error::NoSuchScheduler {
        service: tcp("10.0.0.1:80"),
        name: b"x\xffy".to_vec(),
    };
    assert_eq!(
        error.to_string(),
        "service TCP 10.0.0.1:80: there is no scheduler \"x\\xffy\": choose one of \
         none, rr, wrr, lc, wlc, sed, nq, fo, ovf, twos, sh, dh, mh, lblc, lblcr"
    );
    let error = Error::DataPath {
        service: tcp("10.0.0.1:80"),
        reason: DataPathFull::NoSpace,
    };
    assert_eq!(
        error.to_string(),
        "service TCP 10.0.0.1:80 cannot be changed: an eBPF map is full: \
         make room, or raise the limits"
    );
}
