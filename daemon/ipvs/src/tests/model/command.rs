//! Random steps: commands about few services and few servers, so that they interact, and changes of
//! the connections' state.

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select},
};

use crate::{
    DataPathFull, DestinationKey, DestinationSpec, Family, ForwardingMethod, Netmask, ServiceKey,
    ServiceSpec, SyncDaemonSpec, TimeoutsUpdate, TunnelInfo,
    tests::fake::{fwmark, server, tcp},
};

/// One step.
#[derive(Clone, Debug)]
pub(super) enum Command {
    AddService(ServiceSpec),
    EditService(ServiceSpec),
    DeleteService(ServiceKey),
    Flush,
    Zero(Option<ServiceKey>),
    AddDestination(ServiceKey, DestinationSpec),
    EditDestination(ServiceKey, DestinationSpec),
    DeleteDestination(ServiceKey, DestinationKey),
    SetTimeouts(TimeoutsUpdate),
    StartSync(SyncDaemonSpec),
    StopSync(u32),
    /// For one of the existing destinations, the number of open connections, and how many more were
    /// made.
    Connections {
        of: Index,
        active: u32,
        more: u64,
    },
    /// Waits for so many seconds, then expires the trash.
    Wait(u64),
    /// Makes the data path full, or gives it space again.
    Room(Option<DataPathFull>),
}

pub(super) fn sequence() -> impl Strategy<Value = Vec<Command>> {
    vec(command(), 1..120)
}

fn command() -> impl Strategy<Value = Command> {
    let connections = (any::<Index>(), 0..3_u32, 0..5_u64);
    prop_oneof![
        30 => service().prop_map(Command::AddService),
        8 => service().prop_map(Command::EditService),
        6 => service_key().prop_map(Command::DeleteService),
        3 => Just(Command::Flush),
        6 => option::of(service_key()).prop_map(Command::Zero),
        60 => (service_key(), destination())
            .prop_map(|(key, spec)| Command::AddDestination(key, spec)),
        20 => (service_key(), destination())
            .prop_map(|(key, spec)| Command::EditDestination(key, spec)),
        30 => (service_key(), destination_key())
            .prop_map(|(key, destination)| Command::DeleteDestination(key, destination)),
        4 => timeouts().prop_map(Command::SetTimeouts),
        6 => sync_daemon().prop_map(Command::StartSync),
        8 => prop_oneof![8 => 1..3_u32, 1 => 0..4_u32].prop_map(Command::StopSync),
        20 => connections.prop_map(|(of, active, more)| Command::Connections { of, active, more }),
        12 => select(vec![0, 1, 60, 119, 120]).prop_map(Command::Wait),
        2 => select(vec![DataPathFull::NoMemory, DataPathFull::NoSpace])
            .prop_map(|full| Command::Room(Some(full))),
        12 => Just(Command::Room(None)),
    ]
}

/// Few keys: those that share a bucket, an address or a mark with another, those for all ports, and
/// mark zero.
fn service_key() -> impl Strategy<Value = ServiceKey> {
    let udp = ServiceKey::Address {
        protocol: 17,
        addr: "10.0.0.1".parse().unwrap(),
        port: 80,
    };
    let often = [
        tcp("10.0.0.1:80"),
        fwmark(Family::Inet, 1),
        fwmark(Family::Inet6, 1),
    ];
    let others = [
        tcp("10.0.1.1:80"),
        tcp("10.0.0.1:0"),
        tcp("[2001:db8::1]:80"),
        tcp("[2001:db8::1]:0"),
        udp,
        fwmark(Family::Inet, 257),
        fwmark(Family::Inet6, 0),
    ];
    prop_oneof![3 => select(often.to_vec()), 2 => select(others.to_vec())]
}

fn service() -> impl Strategy<Value = ServiceSpec> {
    let scheduler = prop_oneof![
        6 => select(vec!["rr", "wrr", "lc", "mh", "none", "lblcr"]),
        1 => select(vec!["", "RR", "rrr", "nosuch"]),
    ];
    let engine = option::weighted(0.3, select(vec!["sip", "", "nosuch"]));
    let flags = prop_oneof![0..64_u32, any::<u32>()];
    let mask = prop_oneof![Just(0), Just(u32::MAX), 0..64_u32, any::<u32>()];
    let timeout = prop_oneof![0..1000_u32, any::<u32>()];
    let netmask = prop_oneof![3 => 1..129_u32, 1 => select(vec![0, 129, u32::MAX])];
    (
        service_key(),
        scheduler,
        engine,
        (flags, mask),
        timeout,
        netmask,
    )
        .prop_map(
            |(key, scheduler, engine, (flags, mask), timeout, netmask)| ServiceSpec {
                key,
                scheduler: scheduler.into(),
                persistence_engine: engine.map(Into::into),
                flags,
                mask,
                timeout,
                netmask: Netmask(netmask),
            },
        )
}

/// Few servers: valid ones and invalid ones.
fn destination_key() -> impl Strategy<Value = DestinationKey> {
    let often = ["10.0.0.2:80", "[2001:db8::2]:80"];
    let others = ["10.0.0.2:0", "10.0.0.9:80", "[fe80::9]:80"];
    let unreal = [
        "0.0.0.0:80",
        "10.0.0.255:80",
        "224.0.0.1:80",
        "[::]:80",
        "[::1]:80",
        "[fe80::1]:80",
        "[ff02::1]:80",
        "[::ffff:10.0.0.2]:80",
        "[::10.0.0.2]:80",
        "[fec0::1]:80",
    ];
    prop_oneof![
        6 => select(often.to_vec()),
        2 => select(others.to_vec()),
        1 => select(unreal.to_vec()),
    ]
    .prop_map(server)
}

fn destination() -> impl Strategy<Value = DestinationSpec> {
    // Between families only a tunnel is valid.
    let forwarding = prop_oneof![2 => Just(2), 1 => 0..16_u32].prop_map(ForwardingMethod::from_raw);
    let weight = prop_oneof![6 => 0..4_i32, 1 => any::<i32>()];
    let upper = prop_oneof![6 => 0..5_u32, 1 => any::<u32>()];
    let lower = prop_oneof![9 => Just(0), 1 => 0..5_u32];
    let tunnel = prop_oneof![
        4 => Just(TunnelInfo::default()),
        1 => (0..4_u8, 0..2_u16, any::<u16>())
            .prop_map(|(kind, port, flags)| TunnelInfo { kind, port, flags }),
    ];
    (destination_key(), forwarding, weight, upper, lower, tunnel).prop_map(
        |(key, forwarding, weight, upper_threshold, lower_threshold, tunnel)| DestinationSpec {
            key,
            forwarding,
            weight,
            upper_threshold,
            lower_threshold,
            tunnel,
        },
    )
}

fn timeouts() -> impl Strategy<Value = TimeoutsUpdate> {
    let longest = 8_589_934_u32;
    let one = || {
        option::of(prop_oneof![
            4 => 0..100_u32,
            1 => longest..longest + 2,
            1 => any::<u32>(),
        ])
    };
    (one(), one(), one()).prop_map(|(tcp, tcp_fin, udp)| TimeoutsUpdate { tcp, tcp_fin, udp })
}

fn sync_daemon() -> impl Strategy<Value = SyncDaemonSpec> {
    let interface = select(vec!["eth0", "lo", "jumbo", "small", "nosuch"]);
    let group = select(vec![
        "224.0.0.5",
        "239.255.255.255",
        "10.0.0.1",
        "ff02::1",
        "fe80::1",
    ]);
    let group = option::of(group.prop_map(|group| group.parse().unwrap()));
    let small = || prop_oneof![2 => Just(0), 1 => any::<u16>(), 1 => Just(u16::MAX)];
    (
        0..4_u32,
        interface,
        any::<u32>(),
        small(),
        group,
        small(),
        0..3_u8,
    )
        .prop_map(
            |(state, interface, sync_id, max_length, group, port, ttl)| SyncDaemonSpec {
                state,
                interface: interface.into(),
                sync_id,
                max_length,
                group,
                port,
                ttl,
            },
        )
}
