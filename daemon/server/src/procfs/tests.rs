//! The files of a table that has every kind of object, compared with the output of Linux 6.1.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::File;
use sockvs_ipvs::{
    DestinationKey, DestinationReading, DestinationSpec, Family, ForwardingMethod, Namespace,
    Netmask, ServiceKey, ServiceSpec, Stats, Table, TunnelInfo,
    fake::{FakeHost, FixedPath},
};

fn path() -> FixedPath {
    FixedPath {
        stats: Stats {
            conns: 0x1a,
            inpkts: 2,
            inbytes: 0x1_0000_0000,
            inbps: 0xff,
            ..Stats::default()
        },
        reading: DestinationReading {
            active: 12,
            inactive: 3,
            ..DestinationReading::default()
        },
    }
}

fn at(protocol: u16, addr: &str, port: u16) -> ServiceKey {
    ServiceKey::Address {
        protocol,
        addr: addr.parse().unwrap(),
        port,
    }
}

fn add(table: &mut Table, key: ServiceKey, flags: u32, netmask: Netmask) {
    let spec = ServiceSpec {
        key,
        scheduler: b"wrr".to_vec(),
        persistence_engine: None,
        flags,
        mask: u32::MAX,
        timeout: 300,
        netmask,
    };
    table.add_service(spec, &mut path()).unwrap();
}

fn add_server(table: &mut Table, key: &ServiceKey, addr: IpAddr, forwarding: ForwardingMethod) {
    let spec = DestinationSpec {
        key: DestinationKey { addr, port: 8080 },
        forwarding,
        weight: 5,
        upper_threshold: 0,
        lower_threshold: 0,
        tunnel: TunnelInfo::default(),
    };
    table
        .add_destination(key, spec, &FakeHost, &mut path())
        .unwrap();
}

fn table() -> Table {
    let mut table = Table::new(Namespace(1));
    let ours = Netmask::from(Ipv4Addr::new(255, 255, 255, 0));
    let tcp = at(6, "10.9.0.1", 80);
    add(&mut table, tcp, 0, ours);
    for (host, forwarding) in [
        (1, ForwardingMethod::MASQUERADE),
        (2, ForwardingMethod::LOCAL),
        (3, ForwardingMethod::TUNNEL),
        (4, ForwardingMethod::DIRECT),
    ] {
        add_server(&mut table, &tcp, [10, 1, 0, host].into(), forwarding);
    }
    table
}

#[test]
fn an_empty_table_is_only_the_heading() {
    let table = Table::new(Namespace(1));
    assert_eq!(
        File::Table.text(&table, &path()),
        "IP Virtual Server version 1.2.1 (size=4096)\n\
         Prot LocalAddress:Port Scheduler Flags\n  \
         -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
    );
}

#[test]
fn servers_are_listed_with_their_numbers_in_columns() {
    let text = File::Table.text(&table(), &path());
    let lines: Vec<_> = text.lines().skip(3).collect();
    assert_eq!(
        lines,
        [
            "TCP  0A090001:0050 wrr  ",
            "  -> 0A010004:1F90      Route   5      12         3         ",
            "  -> 0A010003:1F90      Tunnel  5      12         3         ",
            "  -> 0A010002:1F90      Local   5      12         3         ",
            "  -> 0A010001:1F90      Masq    5      12         3         ",
        ]
    );
}

#[test]
fn each_kind_of_service_has_its_own_format() {
    let mask = Netmask::from(Ipv4Addr::new(255, 255, 255, 0));
    let six = at(17, "fd00:9::1", 53);
    for (key, flags, netmask, line) in [
        (
            at(17, "10.9.0.1", 53),
            4,
            mask,
            "UDP  0A090001:0035 wrr ops  ",
        ),
        (
            at(132, "10.9.0.1", 1),
            1,
            mask,
            "SCTP  0A090001:0001 wrr  persistent 75000 FFFFFF00",
        ),
        (at(47, "10.9.0.1", 0), 0, mask, "IP_47  0A090001:0000 wrr  "),
        (
            six,
            5,
            Netmask(64),
            "UDP  [fd00:0009:0000:0000:0000:0000:0000:0001]:0035 wrr persistent 75000 40000000",
        ),
        (
            ServiceKey::from_fwmark(Family::Inet, 171),
            4,
            mask,
            "FWM  000000AB wrr ops ",
        ),
        (
            ServiceKey::from_fwmark(Family::Inet, 7),
            0,
            mask,
            "FWM  00000007 wrr ",
        ),
    ] {
        let mut table = Table::new(Namespace(1));
        add(&mut table, key, flags, netmask);
        let text = File::Table.text(&table, &path());
        assert_eq!(text.lines().nth(3), Some(line));
    }
    let mut table = Table::new(Namespace(1));
    add(&mut table, six, 0, Netmask(128));
    let server: Ipv6Addr = "fd00:1::b".parse().unwrap();
    add_server(
        &mut table,
        &six,
        server.into(),
        ForwardingMethod::MASQUERADE,
    );
    let text = File::Table.text(&table, &path());
    let line = concat!(
        "  -> [fd00:0001:0000:0000:0000:0000:0000:000b]:1F90      Masq    5",
        "      12         3         "
    );
    assert_eq!(text.lines().last(), Some(line));
}

#[test]
fn totals_are_the_sum_of_all_services() {
    let mut table = table();
    let mask = Netmask::from(Ipv4Addr::BROADCAST);
    add(&mut table, at(17, "10.9.0.1", 53), 0, mask);
    assert_eq!(
        File::Totals.text(&table, &path()),
        "   Total Incoming Outgoing         Incoming         Outgoing\n\
         \x20  Conns  Packets  Packets            Bytes            Bytes\n\
         \x20     34        4        0        200000000                0\n\
         \n\
         \x20Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n\
         \x20      0        0        0              1FE                0\n"
    );
    assert_eq!(
        File::TotalsByProcessor.text(&table, &path()),
        "       Total Incoming Outgoing         Incoming         Outgoing\n\
         CPU    Conns  Packets  Packets            Bytes            Bytes\n\
         \x20 0       34        4        0        200000000                0\n\
         \x20 ~       34        4        0        200000000                0\n\
         \n\
         \x20    Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n\
         \x20          0        0        0              1FE                0\n"
    );
}

#[test]
fn files_are_found_by_their_names() {
    for file in File::ALL {
        assert_eq!(File::from_name(file.name()), Some(*file));
        assert!(file.text(&table(), &path()).ends_with('\n'));
    }
    assert_eq!(File::from_name("tcp"), None);
}
