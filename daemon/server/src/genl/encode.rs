//! Encodes the table's types as attributes of the family.

use std::net::IpAddr;

use netlink_packet_ipvs::{
    Address, DaemonEntry, DestinationEntry, ServiceEntry, ServiceKey as WireKey,
    Stats as WireStats, SyncState,
};

use sockvs_ipvs::{
    Destination, DestinationReading, PersistenceEngine, Service, ServiceKey, Stats, SyncDaemon,
};

/// Encodes a service (`ip_vs_genl_fill_service`).
pub(super) fn service(service: &Service, stats: Stats) -> ServiceEntry<'static> {
    ServiceEntry {
        af: service.key().family().to_raw().into(),
        key: match *service.key() {
            ServiceKey::Address {
                protocol,
                addr,
                port,
            } => WireKey::Address {
                protocol,
                addr: Address::from(addr),
                port,
            },
            ServiceKey::Fwmark { mark, .. } => WireKey::Fwmark(mark.get()),
        },
        sched_name: service.scheduler().name().as_bytes(),
        pe_name: service
            .persistence_engine()
            .map(PersistenceEngine::name)
            .map(str::as_bytes),
        flags: service.flags().0,
        timeout: service.timeout(),
        netmask: service.netmask().0,
        stats: counters(stats),
    }
}

/// Encodes a destination (`ip_vs_genl_fill_dest`).
pub(super) fn destination(
    destination: &Destination,
    reading: DestinationReading,
) -> DestinationEntry {
    let tunnel = destination.tunnel();
    DestinationEntry {
        addr: Address::from(destination.key().addr),
        port: destination.key().port,
        fwd_method: destination.forwarding().to_raw(),
        weight: destination.weight().cast_unsigned(),
        tun_type: tunnel.kind,
        tun_port: tunnel.port,
        tun_flags: tunnel.flags,
        u_thresh: destination.upper_threshold(),
        l_thresh: destination.lower_threshold(),
        active_conns: reading.active,
        inact_conns: reading.inactive,
        persist_conns: reading.persistent,
        addr_family: destination.key().family().to_raw().into(),
        stats: counters(reading.stats),
    }
}

/// Encodes a sync daemon (`ip_vs_genl_fill_daemon`).
pub(super) fn sync_daemon(daemon: &SyncDaemon) -> DaemonEntry<'_> {
    let group: IpAddr = daemon.group();
    DaemonEntry {
        state: SyncState::from(daemon.state().to_raw()),
        mcast_ifn: daemon.interface(),
        sync_id: daemon.sync_id(),
        sync_maxlen: daemon.max_length(),
        mcast_port: daemon.port(),
        mcast_ttl: daemon.ttl(),
        mcast_group: Some(group),
    }
}

fn counters(stats: Stats) -> WireStats {
    WireStats {
        conns: stats.conns,
        inpkts: stats.inpkts,
        outpkts: stats.outpkts,
        inbytes: stats.inbytes,
        outbytes: stats.outbytes,
        cps: stats.cps,
        inpps: stats.inpps,
        outpps: stats.outpps,
        inbps: stats.inbps,
        outbps: stats.outbps,
    }
}
