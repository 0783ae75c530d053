//! What a client is told when it asks for everything, against what is in the table.

use std::{net::IpAddr, sync::Arc};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader};
use netlink_packet_ipvs::{
    Address, IpvsCommand, ServiceFlags,
    constants::{
        IPVS_CMD_ATTR_SERVICE, IPVS_SVC_ATTR_ADDR, IPVS_SVC_ATTR_AF, IPVS_SVC_ATTR_FWMARK,
        IPVS_SVC_ATTR_PORT, IPVS_SVC_ATTR_PROTOCOL,
    },
    policy::{CommandAttrs, DaemonAttrs, DestinationAttrs, ServiceAttrs},
    writer::Writer,
};
use sockvs_ipvs::{Destination, PersistenceEngine, Service, ServiceKey, SyncDaemon, Table};
use sockvs_server::genl::{FAMILY_ID, GenlServer};

use crate::{
    bench::Bench,
    client::{Mailbox, Who},
    replies::{self, Message, PORT, Verdict},
    request::put,
};

/// Asks for all services of the mailbox's namespace, their destinations and the sync daemons, and
/// compares.
pub fn check(bench: &Bench, mailbox: &Arc<Mailbox>) {
    use sockvs_server::genl::ClientNamespace as _;
    let ns = mailbox.namespace();
    // It must not be locked while the server answers.
    let table = bench.state.lock().ipvs.table(ns).cloned();
    let table = table.unwrap_or_else(|| Table::new(ns));
    let services: Vec<_> = table.services_from(0).collect();
    let told = ask(&bench.genl, mailbox, IpvsCommand::GetService, |_| {});
    assert_eq!(told.len(), services.len(), "services listed, and there");
    for (told, service) in told.iter().zip(&services) {
        same_service(told, service);
        let told = ask(&bench.genl, mailbox, IpvsCommand::GetDest, |writer| {
            writer.nest(IPVS_CMD_ATTR_SERVICE, |writer| name(writer, service.key()));
        });
        let destinations = service.destinations();
        assert_eq!(told.len(), destinations.len(), "of {}", service.key());
        for (told, destination) in told.iter().zip(destinations) {
            same_destination(told, destination);
        }
    }
    let daemons: Vec<_> = table.sync_daemons().collect();
    let told = ask(&bench.genl, mailbox, IpvsCommand::GetDaemon, |_| {});
    assert_eq!(told.len(), daemons.len(), "sync daemons listed, and there");
    for (told, daemon) in told.iter().zip(daemons) {
        same_daemon(told, daemon);
    }
}

/// Asks for a list, and gives the attributes of each entry.
fn ask(
    server: &GenlServer,
    mailbox: &Arc<Mailbox>,
    command: IpvsCommand,
    body: impl FnOnce(&mut Writer<'_>),
) -> Vec<Vec<u8>> {
    let mut header = NetlinkHeader::default();
    header.message_type = FAMILY_ID;
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    header.sequence_number = 1;
    let mut datagram = Vec::new();
    put(&mut datagram, header, command.into(), body);
    server.datagram(Who::ROOT.client(mailbox), &datagram, Box::new(()));
    let replies = mailbox.take();
    assert_eq!(replies::check(&datagram, &replies), [Verdict::Listed]);
    let messages = replies.iter().flat_map(|datagram| Message::all(datagram));
    let entries = messages.filter(|message| message.kind == FAMILY_ID);
    entries
        .map(|message| {
            assert_eq!(message.port, PORT);
            message.bytes[20..].to_vec()
        })
        .collect()
}

fn name(writer: &mut Writer<'_>, key: &ServiceKey) {
    writer.put_u16(IPVS_SVC_ATTR_AF, key.family().to_raw());
    match *key {
        ServiceKey::Address {
            protocol,
            addr,
            port,
        } => {
            writer.put_u16(IPVS_SVC_ATTR_PROTOCOL, protocol);
            writer.put(IPVS_SVC_ATTR_ADDR, &Address::from(addr).octets());
            writer.put(IPVS_SVC_ATTR_PORT, &port.to_be_bytes());
        }
        ServiceKey::Fwmark { mark, .. } => writer.put_u32(IPVS_SVC_ATTR_FWMARK, mark.get()),
    }
}

fn same_service(attributes: &[u8], service: &Service) {
    let command = CommandAttrs::decode(attributes).expect("attributes of a command");
    let told = ServiceAttrs::decode(command.service.expect("a service")).expect("its attributes");
    let (protocol, address, port) = match *service.key() {
        ServiceKey::Address {
            protocol,
            addr,
            port,
        } => (Some(protocol), Some(addr), Some(port)),
        ServiceKey::Fwmark { .. } => (None, None, None),
    };
    let mark = service.key().fwmark().map(|mark| mark.get());
    let engine = service.persistence_engine().map(PersistenceEngine::name);
    let expected = ServiceAttrs {
        af: Some(service.key().family().to_raw().into()),
        protocol,
        addr: address.map(Address::from),
        port,
        fwmark: mark,
        sched_name: Some(service.scheduler().name().as_bytes()),
        pe_name: engine.map(str::as_bytes),
        flags: Some(ServiceFlags {
            flags: service.flags().0,
            mask: u32::MAX,
        }),
        timeout: Some(service.timeout()),
        netmask: Some(service.netmask().0),
    };
    assert_eq!(told, expected);
}

fn same_destination(attributes: &[u8], destination: &Destination) {
    let command = CommandAttrs::decode(attributes).expect("attributes of a command");
    let told = DestinationAttrs::decode(command.dest.expect("a destination")).expect("valid ones");
    let tunnel = destination.tunnel();
    let expected = DestinationAttrs {
        addr: Some(Address::from(destination.key().addr)),
        port: Some(destination.key().port),
        fwd_method: Some(destination.forwarding().to_raw()),
        weight: Some(destination.weight().cast_unsigned()),
        u_thresh: Some(destination.upper_threshold()),
        l_thresh: Some(destination.lower_threshold()),
        addr_family: Some(destination.key().family().to_raw().into()),
        tun_type: Some(tunnel.kind),
        tun_port: Some(tunnel.port),
        tun_flags: Some(tunnel.flags),
        // How many connections there are is the data path's to say.
        ..told
    };
    assert_eq!(told, expected);
}

fn same_daemon(attributes: &[u8], daemon: &SyncDaemon) {
    let command = CommandAttrs::decode(attributes).expect("attributes of a command");
    let told = DaemonAttrs::decode(command.daemon.expect("a daemon")).expect("its attributes");
    let group = told.mcast_group.map(IpAddr::from);
    let told = (
        (told.state, told.mcast_ifn, told.sync_id, told.sync_maxlen),
        group.or(told.mcast_group6.map(IpAddr::from)),
        (told.mcast_port, told.mcast_ttl),
    );
    let expected = (
        (
            Some(daemon.state().to_raw()),
            Some(daemon.interface()),
            Some(daemon.sync_id()),
            Some(daemon.max_length()),
        ),
        Some(daemon.group()),
        (Some(daemon.port()), Some(daemon.ttl())),
    );
    assert_eq!(told, expected);
}
