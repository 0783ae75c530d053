// SPDX-License-Identifier: GPL-2.0-only

//! Every attribute of every nest, compared with its bytes: emitted and parsed.

#![cfg(target_endian = "little")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Debug;

use netlink_packet_core::{
    DefaultNla, Emitable, NLA_F_NESTED, NLA_F_NET_BYTEORDER, NlaBuffer, Parseable,
    ParseableParametrized,
};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use netlink_packet_ipvs::{
    Address, AddressFamily, Counter, DaemonAttr, DestinationAttr, ForwardMethod, InfoAttr,
    IpvsAttr, IpvsCommand, IpvsMessage, IpvsPayload, Name, Nest, ServiceAttr, ServiceFlags, Stats,
    StatsAttr, SyncState, TunnelType,
};

/// Checks the attribute's type and payload on the wire, and that they are parsed to the same
/// attribute.
#[track_caller]
fn check<A>(attribute: A, kind: u16, payload: &[u8])
where
    A: Emitable + Debug + PartialEq + for<'a> Parseable<NlaBuffer<&'a [u8]>>,
{
    let length = u16::try_from(4 + payload.len()).unwrap();
    let mut wire = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    wire.extend_from_slice(payload);
    wire.resize(wire.len().next_multiple_of(4), 0);

    let mut emitted = vec![0xff; attribute.buffer_len()];
    attribute.emit(&mut emitted);
    assert_eq!(emitted, wire, "{attribute:?}");
    let parsed = A::parse(&NlaBuffer::new_checked(&wire[..]).unwrap()).unwrap();
    assert_eq!(parsed, attribute);
}

const V4: [u8; 16] = [192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const V6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

fn v4() -> Address {
    "192.0.2.1".parse::<std::net::IpAddr>().unwrap().into()
}

fn v6() -> Address {
    "2001:db8::1".parse::<std::net::IpAddr>().unwrap().into()
}

fn unknown() -> DefaultNla {
    DefaultNla::new(99, vec![1, 2, 3])
}

fn one_counter() -> Nest<StatsAttr> {
    vec![StatsAttr::Conns(Counter::U32(7))].into()
}

const ONE_COUNTER: [u8; 8] = [8, 0, 1, 0, 7, 0, 0, 0];

#[test]
fn service() {
    check(ServiceAttr::Af(AddressFamily::Inet), 1, &[2, 0]);
    check(ServiceAttr::Af(AddressFamily::Inet6), 1, &[10, 0]);
    check(ServiceAttr::Af(AddressFamily::Other(0x102)), 1, &[2, 1]);
    check(ServiceAttr::Protocol(17), 2, &[17, 0]);
    check(ServiceAttr::Addr(v4()), 3, &V4);
    check(ServiceAttr::Addr(v6()), 3, &V6);
    check(ServiceAttr::Port(80), 4, &[0, 80]);
    check(ServiceAttr::Fwmark(0x0102_0304), 5, &[4, 3, 2, 1]);
    check(ServiceAttr::SchedName("wrr".into()), 6, b"wrr\0");
    check(ServiceAttr::SchedName("".into()), 6, b"\0");
    check(
        ServiceAttr::SchedName(Name::new(b"\xff\xfe")),
        6,
        b"\xff\xfe\0",
    );
    let flags = ServiceFlags {
        flags: ServiceFlags::PERSISTENT,
        mask: u32::MAX,
    };
    check(
        ServiceAttr::Flags(flags),
        7,
        &[1, 0, 0, 0, 255, 255, 255, 255],
    );
    check(ServiceAttr::Timeout(360), 8, &[104, 1, 0, 0]);
    let netmask = u32::from_ne_bytes([255, 255, 255, 0]);
    check(ServiceAttr::Netmask(netmask), 9, &[255, 255, 255, 0]);
    check(ServiceAttr::Stats(one_counter()), 10, &ONE_COUNTER);
    check(ServiceAttr::PeName("sip".into()), 11, b"sip\0");
    check(ServiceAttr::Stats64(one_counter()), 12, &ONE_COUNTER);
    check(ServiceAttr::Other(unknown()), 99, &[1, 2, 3]);
}

#[test]
fn destination() {
    check(DestinationAttr::Addr(v6()), 1, &V6);
    check(DestinationAttr::Port(8080), 2, &[0x1f, 0x90]);
    check(
        DestinationAttr::FwdMethod(ForwardMethod::Tunnel.into()),
        3,
        &[2, 0, 0, 0],
    );
    check(DestinationAttr::Weight(1), 4, &[1, 0, 0, 0]);
    check(DestinationAttr::UThresh(2), 5, &[2, 0, 0, 0]);
    check(DestinationAttr::LThresh(3), 6, &[3, 0, 0, 0]);
    check(DestinationAttr::ActiveConns(4), 7, &[4, 0, 0, 0]);
    check(DestinationAttr::InactConns(5), 8, &[5, 0, 0, 0]);
    check(DestinationAttr::PersistConns(6), 9, &[6, 0, 0, 0]);
    check(DestinationAttr::Stats(one_counter()), 10, &ONE_COUNTER);
    check(
        DestinationAttr::AddrFamily(AddressFamily::Inet6),
        11,
        &[10, 0],
    );
    check(DestinationAttr::Stats64(one_counter()), 12, &ONE_COUNTER);
    check(DestinationAttr::TunType(TunnelType::Gue.into()), 13, &[1]);
    check(DestinationAttr::TunPort(6080), 14, &[0x17, 0xc0]);
    check(DestinationAttr::TunFlags(2), 15, &[2, 0]);
    check(DestinationAttr::Other(unknown()), 99, &[1, 2, 3]);
}

#[test]
fn daemon() {
    check(
        DaemonAttr::State(SyncState::Backup.into()),
        1,
        &[2, 0, 0, 0],
    );
    check(DaemonAttr::McastIfn("eth0".into()), 2, b"eth0\0");
    check(DaemonAttr::SyncId(5), 3, &[5, 0, 0, 0]);
    check(DaemonAttr::SyncMaxlen(1472), 4, &[0xc0, 5]);
    check(
        DaemonAttr::McastGroup([224, 0, 0, 81].into()),
        5,
        &[224, 0, 0, 81],
    );
    check(DaemonAttr::McastGroup6(V6.into()), 6, &V6);
    check(DaemonAttr::McastPort(8848), 7, &[0x90, 0x22]);
    check(DaemonAttr::McastTtl(3), 8, &[3]);
    check(DaemonAttr::Other(unknown()), 99, &[1, 2, 3]);
}

#[test]
fn statistics() {
    type Attribute = fn(Counter) -> StatsAttr;
    let attributes: [(Attribute, u16); 10] = [
        (StatsAttr::Conns, 1),
        (StatsAttr::InPkts, 2),
        (StatsAttr::OutPkts, 3),
        (StatsAttr::InBytes, 4),
        (StatsAttr::OutBytes, 5),
        (StatsAttr::Cps, 6),
        (StatsAttr::InPps, 7),
        (StatsAttr::OutPps, 8),
        (StatsAttr::InBps, 9),
        (StatsAttr::OutBps, 10),
    ];
    for (attribute, kind) in attributes {
        check(attribute(Counter::U32(0x0102)), kind, &[2, 1, 0, 0]);
        check(
            attribute(Counter::U64(0x0102)),
            kind,
            &[2, 1, 0, 0, 0, 0, 0, 0],
        );
    }
    check(StatsAttr::Pad, 11, &[]);
    check(StatsAttr::Other(unknown()), 99, &[1, 2, 3]);
}

#[test]
fn statistics_have_two_forms() {
    let big = (1 << 32) + 5;
    let stats = Stats {
        conns: big,
        inpkts: 2,
        outpkts: 3,
        inbytes: big,
        outbytes: 5,
        cps: 6,
        inpps: 7,
        outpps: 8,
        inbps: 9,
        outbps: big,
    };
    assert_eq!(Stats::from_attrs(&stats.to_attrs64()), stats);
    let cut = Stats {
        conns: 5,
        outbps: 5,
        ..stats
    };
    assert_eq!(Stats::from_attrs(&stats.to_attrs32()), cut);
    // Nest, 8 numbers of 4 bytes and 2 of 8, or all of 8.
    let length = |attributes: Vec<StatsAttr>| ServiceAttr::Stats(attributes.into()).buffer_len();
    assert_eq!(length(stats.to_attrs32()), 4 + 8 * 8 + 2 * 12);
    assert_eq!(length(stats.to_attrs64()), 4 + 10 * 12);
}

#[test]
fn command() {
    let service = vec![ServiceAttr::Port(80)];
    let port = [6, 0, 4, 0, 0, 80, 0, 0];
    check(IpvsAttr::Service(service.clone().into()), 1, &port);
    let flagged = Nest {
        attributes: service,
        flagged: true,
    };
    check(IpvsAttr::Service(flagged), 1 | NLA_F_NESTED, &port);
    check(IpvsAttr::Service(vec![].into()), 1, &[]);
    let dest = vec![DestinationAttr::TunType(1)];
    check(IpvsAttr::Dest(dest.into()), 2, &[5, 0, 13, 0, 1, 0, 0, 0]);
    let daemon = vec![DaemonAttr::McastTtl(1)];
    check(
        IpvsAttr::Daemon(daemon.into()),
        3,
        &[5, 0, 8, 0, 1, 0, 0, 0],
    );
    check(IpvsAttr::TimeoutTcp(900), 4, &[0x84, 3, 0, 0]);
    check(IpvsAttr::TimeoutTcpFin(120), 5, &[120, 0, 0, 0]);
    check(IpvsAttr::TimeoutUdp(300), 6, &[44, 1, 0, 0]);
    check(IpvsAttr::Other(unknown()), 99, &[1, 2, 3]);
}

#[test]
fn information() {
    check(InfoAttr::Version(0x01_02_01), 1, &[1, 2, 1, 0]);
    check(InfoAttr::ConnTabSize(4096), 2, &[0, 16, 0, 0]);
    check(InfoAttr::Other(unknown()), 99, &[1, 2, 3]);
}

/// Netlink has no attributes with both flags, and such a one would be emitted differently.
#[test]
fn an_unknown_attribute_keeps_its_flag_and_has_one_at_most() {
    let attribute = |flags: u16| {
        let kind = (99 | flags).to_ne_bytes();
        let wire = [8, 0, kind[0], kind[1], 1, 2, 3, 4];
        let parsed = IpvsAttr::parse(&NlaBuffer::new_checked(&wire[..]).unwrap());
        (wire, parsed)
    };
    for flags in [0, NLA_F_NESTED, NLA_F_NET_BYTEORDER] {
        let (wire, parsed) = attribute(flags);
        let mut emitted = [0xff; 8];
        parsed.unwrap().emit(&mut emitted);
        assert_eq!(emitted, wire, "{flags:#x}");
    }
    let (_, both) = attribute(NLA_F_NESTED | NLA_F_NET_BYTEORDER);
    assert!(both.is_err(), "{both:?}");
}

/// The same bytes have another meaning in the reply to GET_INFO.
#[test]
fn the_command_decides_what_attributes_mean() {
    let info = IpvsMessage::info(0x01_02_01, 4096);
    let mut wire = vec![0; info.buffer_len()];
    info.emit(&mut wire);
    let header = |cmd: IpvsCommand| GenlHeader {
        cmd: cmd.into(),
        version: 1,
    };
    let parse = |cmd| IpvsMessage::parse_with_param(&wire[..], header(cmd));
    assert_eq!(parse(IpvsCommand::SetInfo).unwrap(), info);
    assert!(parse(IpvsCommand::GetInfo).is_err());
    let empty = IpvsMessage::parse_with_param(&[][..], header(IpvsCommand::GetInfo)).unwrap();
    assert_eq!(empty.payload, IpvsPayload::Attributes(vec![]));
}

#[test]
fn every_command_has_its_number() {
    for number in 0..=u8::MAX {
        let command = IpvsCommand::from(number);
        assert_eq!(u8::from(command), number);
        let known = (1..=17).contains(&number);
        assert_eq!(
            matches!(command, IpvsCommand::Other(_)),
            !known,
            "{command:?}"
        );
        let message = GenlMessage::from_payload(IpvsMessage::new(command, vec![]));
        assert_eq!(
            message.header,
            GenlHeader {
                cmd: number,
                version: 1
            }
        );
    }
    assert_eq!(IpvsMessage::family_name(), "IPVS");
    assert_eq!(IpvsCommand::from(8), IpvsCommand::GetDest);
    assert_eq!(IpvsCommand::from(17), IpvsCommand::Flush);
}
