// SPDX-License-Identifier: GPL-2.0-only

//! Bytes of the real ipvsadm and the real kernel: every captured message is parsed, emitted again
//! and compared; every request passes the policy; every reply is written again from its values.
//!
//! The captures are in `data/netlink`; `data/README.md` says how they were made.

#![cfg(target_endian = "little")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeMap, fs, path::Path};

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_generic::{GenlHeader, GenlMessage, constants::GENL_ID_CTRL, ctrl::GenlCtrl};
use netlink_packet_ipvs::{
    DaemonEntry, DestinationEntry, IpvsAttr, IpvsCommand, IpvsMessage, Nest, ServiceAttr,
    ServiceEntry, ServiceKey, Stats, new_family,
    policy::{CommandAttrs, CtrlFamilyAttrs, DaemonAttrs, DestinationAttrs, ServiceAttrs},
    writer::Writer,
};

type Ipvs = NetlinkMessage<GenlMessage<IpvsMessage>>;
type Ctrl = NetlinkMessage<GenlMessage<GenlCtrl>>;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADERS: usize = 20;

/// Every message of every capture, by the name of its file.
fn captures() -> BTreeMap<String, Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/netlink");
    let mut captures = BTreeMap::new();
    for entry in fs::read_dir(&folder).expect("the folder of the captures") {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "hex") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            captures.insert(name, messages(&read_hex(&path)));
        }
    }
    assert!(
        captures.len() >= 15,
        "only {} captures in {}",
        captures.len(),
        folder.display()
    );
    captures
}

fn read_hex(path: &Path) -> Vec<u8> {
    let text = fs::read_to_string(path).unwrap();
    let digits = text.lines().filter(|line| !line.starts_with('#'));
    digits
        .flat_map(str::split_whitespace)
        .map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal bytes"))
        .collect()
}

fn header(message: &[u8]) -> (usize, u16, u16) {
    let number = |at: usize| u16::from_ne_bytes([message[at], message[at + 1]]);
    let length = u32::from_ne_bytes(message[..4].try_into().unwrap());
    (usize::try_from(length).unwrap(), number(4), number(6))
}

fn messages(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let (length, _, _) = header(bytes);
        messages.push(bytes[..length].to_vec());
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    messages
}

fn ipvs(message: &[u8]) -> Option<IpvsMessage> {
    let (_, kind, _) = header(message);
    if [NLMSG_ERROR, NLMSG_DONE, GENL_ID_CTRL].contains(&kind) {
        return None;
    }
    match Ipvs::deserialize(message).expect("an IPVS message").payload {
        NetlinkPayload::InnerMessage(message) => Some(message.into_parts().1),
        other => panic!("not an IPVS message: {other:?}"),
    }
}

#[test]
fn parsed_and_emitted_again() {
    for (name, messages) in captures() {
        for message in messages {
            let (length, kind, _) = header(&message);
            let mut again = vec![0xff; length];
            if kind == GENL_ID_CTRL {
                let mut parsed = Ctrl::deserialize(&message).expect(&name);
                parsed.finalize();
                parsed.serialize(&mut again);
            } else {
                let mut parsed = Ipvs::deserialize(&message).expect(&name);
                parsed.finalize();
                parsed.serialize(&mut again);
            }
            assert_eq!(message, again, "{name}");
            if let Some(parsed) = ipvs(&message) {
                let shown = format!("{parsed:?}");
                assert!(
                    !shown.contains("Other("),
                    "{name} has something unknown: {shown}"
                );
            }
        }
    }
}

/// The requests, including those in error messages, are what a server would receive.
#[test]
fn requests_pass_the_policy() {
    let mut seen = 0;
    for (name, messages) in captures() {
        for mut message in messages {
            if header(&message).1 == NLMSG_ERROR {
                message.drain(..HEADERS);
            }
            let (length, kind, flags) = header(&message);
            if flags & NLM_F_REQUEST == 0 || message.len() < length {
                continue;
            }
            seen += 1;
            let attributes = &message[HEADERS..];
            if kind == GENL_ID_CTRL {
                let family = CtrlFamilyAttrs::decode(attributes).expect(&name);
                assert_eq!(family.family_name, Some(&b"IPVS"[..]), "{name}");
                continue;
            }
            let command = CommandAttrs::decode(attributes).expect(&name);
            assert_eq!(command.warning(), None, "{name}");
            for attribute in ipvs(&message).unwrap().attributes() {
                match attribute {
                    IpvsAttr::Service(nest) => {
                        let view = ServiceAttrs::decode(command.service.unwrap()).expect(&name);
                        agrees(&view, nest, &name);
                    }
                    IpvsAttr::Dest(_) => {
                        let view = DestinationAttrs::decode(command.dest.unwrap()).expect(&name);
                        assert!(
                            view.addr.is_some() && view.port.is_some(),
                            "{name}: {view:?}"
                        );
                    }
                    IpvsAttr::Daemon(_) => {
                        let view = DaemonAttrs::decode(command.daemon.unwrap()).expect(&name);
                        assert!(view.state.is_some(), "{name}: {view:?}");
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(seen >= 15, "only {seen} requests");
}

/// Compares the view with the tree.
fn agrees(view: &ServiceAttrs<'_>, nest: &Nest<ServiceAttr>, name: &str) {
    let mut attributes = Vec::new();
    attributes.extend(view.af.map(ServiceAttr::Af));
    attributes.extend(view.protocol.map(ServiceAttr::Protocol));
    attributes.extend(view.addr.map(ServiceAttr::Addr));
    attributes.extend(view.port.map(ServiceAttr::Port));
    attributes.extend(view.fwmark.map(ServiceAttr::Fwmark));
    attributes.extend(view.sched_name.map(|v| ServiceAttr::SchedName(v.into())));
    attributes.extend(view.pe_name.map(|v| ServiceAttr::PeName(v.into())));
    attributes.extend(view.flags.map(ServiceAttr::Flags));
    attributes.extend(view.timeout.map(ServiceAttr::Timeout));
    attributes.extend(view.netmask.map(ServiceAttr::Netmask));
    assert_eq!(attributes.len(), nest.len(), "{name}: {view:?}");
    for attribute in attributes {
        assert!(
            nest.contains(&attribute),
            "{name}: {attribute:?} is not in {nest:?}"
        );
    }
}

/// The kernel's replies are reproduced from the entries, in order and padding.
#[test]
fn replies_written_again() {
    let mut written = BTreeMap::<&str, usize>::new();
    for (name, messages) in captures() {
        for message in messages {
            let (_, _, flags) = header(&message);
            let Some(parsed) = ipvs(&message) else {
                continue;
            };
            if flags & NLM_F_REQUEST != 0 {
                continue;
            }
            let attributes = CommandAttrs::decode(&message[HEADERS..]).expect(&name);
            let mut again = Vec::new();
            let original = Ipvs::deserialize(&message).unwrap().header;
            let genl = GenlHeader {
                cmd: parsed.cmd.into(),
                version: 1,
            };
            let what = match (attributes.service, attributes.dest, attributes.daemon) {
                // The reply to GET_INFO uses the same numbers for other attributes.
                _ if parsed.cmd == IpvsCommand::SetInfo => continue,
                (Some(service), ..) => {
                    write(&mut again, original, genl, |w| {
                        service_entry(service, &parsed).write(w)
                    });
                    "service"
                }
                (_, Some(dest), _) => {
                    write(&mut again, original, genl, |w| {
                        dest_entry(dest, &parsed).write(w)
                    });
                    "destination"
                }
                (_, _, Some(daemon)) => {
                    write(&mut again, original, genl, |w| {
                        daemon_entry(daemon).write(w)
                    });
                    "daemon"
                }
                _ => continue,
            };
            assert_eq!(message, again, "{name}");
            *written.entry(what).or_default() += 1;
        }
    }
    assert_eq!(written.len(), 3, "{written:?}");
}

fn write(
    buffer: &mut Vec<u8>,
    header: NetlinkHeader,
    genl: GenlHeader,
    body: impl FnOnce(&mut Writer<'_>),
) {
    Writer::new(buffer).message(header, genl, body);
}

fn service_entry<'a>(nest: &'a [u8], parsed: &IpvsMessage) -> ServiceEntry<'a> {
    let view = ServiceAttrs::decode(nest).unwrap();
    let [IpvsAttr::Service(attributes)] = parsed.attributes() else {
        panic!("{parsed:?}")
    };
    let stats = attributes.iter().find_map(|attribute| match attribute {
        ServiceAttr::Stats64(stats) => Some(Stats::from_attrs(stats)),
        _ => None,
    });
    let key = match view.fwmark {
        Some(fwmark) => ServiceKey::Fwmark(fwmark),
        None => ServiceKey::Address {
            protocol: view.protocol.unwrap(),
            addr: view.addr.unwrap(),
            port: view.port.unwrap(),
        },
    };
    ServiceEntry {
        af: view.af.unwrap(),
        key,
        sched_name: view.sched_name.unwrap(),
        pe_name: view.pe_name,
        flags: view.flags.unwrap().flags,
        timeout: view.timeout.unwrap(),
        netmask: view.netmask.unwrap(),
        stats: stats.unwrap(),
    }
}

fn dest_entry(nest: &[u8], parsed: &IpvsMessage) -> DestinationEntry {
    use netlink_packet_ipvs::DestinationAttr;
    let view = DestinationAttrs::decode(nest).unwrap();
    let [IpvsAttr::Dest(attributes)] = parsed.attributes() else {
        panic!("{parsed:?}")
    };
    let stats = attributes.iter().find_map(|attribute| match attribute {
        DestinationAttr::Stats64(stats) => Some(Stats::from_attrs(stats)),
        _ => None,
    });
    DestinationEntry {
        addr: view.addr.unwrap(),
        port: view.port.unwrap(),
        fwd_method: view.fwd_method.unwrap(),
        weight: view.weight.unwrap(),
        tun_type: view.tun_type.unwrap(),
        tun_port: view.tun_port.unwrap(),
        tun_flags: view.tun_flags.unwrap(),
        u_thresh: view.u_thresh.unwrap(),
        l_thresh: view.l_thresh.unwrap(),
        active_conns: view.active_conns.unwrap(),
        inact_conns: view.inact_conns.unwrap(),
        persist_conns: view.persist_conns.unwrap(),
        addr_family: view.addr_family.unwrap(),
        stats: stats.unwrap(),
    }
}

fn daemon_entry(nest: &[u8]) -> DaemonEntry<'_> {
    let view = DaemonAttrs::decode(nest).unwrap();
    DaemonEntry {
        state: view.state.unwrap().into(),
        mcast_ifn: view.mcast_ifn.unwrap(),
        sync_id: view.sync_id.unwrap(),
        sync_maxlen: view.sync_maxlen.unwrap(),
        mcast_port: view.mcast_port.unwrap(),
        mcast_ttl: view.mcast_ttl.unwrap(),
        mcast_group: view
            .mcast_group
            .map(Into::into)
            .or_else(|| view.mcast_group6.map(Into::into)),
    }
}

#[test]
fn the_family_is_described_like_by_the_kernel() {
    let captures = captures();
    let reply = &captures["getfamily.reply"][0];
    let NetlinkPayload::InnerMessage(parsed) = Ctrl::deserialize(reply).unwrap().payload else {
        panic!("{reply:?}");
    };
    let id = u16::from_ne_bytes([reply[36], reply[37]]);
    assert_eq!(parsed.payload, new_family(id));
}
