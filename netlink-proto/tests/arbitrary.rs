// SPDX-License-Identifier: GPL-2.0-only

//! No input bytes cause a panic, and parsed messages are the same when they are emitted again.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::mem::discriminant;

use netlink_packet_core::{
    Emitable, NetlinkMessage, NlaBuffer, NlasIterator, Parseable, ParseableParametrized,
};
use netlink_packet_generic::{GenlHeader, GenlMessage};
use netlink_packet_ipvs::{
    DaemonAttr, DestinationAttr, InfoAttr, IpvsAttr, IpvsMessage, ServiceAttr, StatsAttr,
    policy::{
        CommandAttrs, CtrlFamilyAttrs, CtrlPolicyAttrs, DaemonAttrs, DestinationAttrs, PolicyError,
        ServiceAttrs, Validation,
    },
    writer::Writer,
};
use proptest::{collection::vec, prelude::*};

/// Mostly well-formed attributes, so that more than the first is parsed; including nests, and
/// sometimes a wrong length, or bytes at the end.
fn attributes() -> impl Strategy<Value = Vec<u8>> {
    let leaf = vec(any::<u8>(), 0..24);
    let stream = leaf.prop_recursive(3, 64, 6, |inner| {
        let flags = prop_oneof![8 => Just(0), 1 => Just(0x8000), 1 => Just(0x4000)];
        let wrong = prop_oneof![20 => Just(0), 1 => -4_i32..4];
        let one = (0..18_u16, flags, wrong, inner);
        (vec(one, 0..6), vec(any::<u8>(), 0..5)).prop_map(|(list, end)| {
            let mut bytes = Vec::new();
            for (kind, flags, wrong, payload) in list {
                let length = i32::try_from(payload.len() + 4).unwrap() + wrong;
                bytes.extend(u16::try_from(length.max(0)).unwrap().to_ne_bytes());
                bytes.extend((kind | flags).to_ne_bytes());
                bytes.extend(&payload);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            bytes.extend(end);
            bytes
        })
    });
    prop_oneof![4 => stream, 1 => vec(any::<u8>(), 0..200)]
}

fn emitted(what: &impl Emitable) -> Vec<u8> {
    let mut bytes = vec![0xff; what.buffer_len()];
    what.emit(&mut bytes);
    bytes
}

/// Emitting and parsing again gives the same attributes.
fn stable<A>(bytes: &[u8])
where
    A: Emitable + std::fmt::Debug + for<'a> Parseable<NlaBuffer<&'a [u8]>>,
{
    for nla in NlasIterator::new(bytes).map_while(Result::ok) {
        let Ok(parsed) = A::parse(&nla) else { continue };
        let once = emitted(&parsed);
        let again = A::parse(&NlaBuffer::new_checked(&once[..]).unwrap()).unwrap();
        assert_eq!(once, emitted(&again), "{parsed:?} {again:?}");
        let mut written = Vec::new();
        Writer::new(&mut written).emit(&parsed);
        assert_eq!(once, written);
    }
}

/// An error refers to a position in the buffer.
fn plausible<T>(bytes: &[u8], result: Result<T, PolicyError>) {
    if let Err(error) = result {
        assert!(error.offset < bytes.len(), "{error:?}");
        assert!(error.errno() == 22 || error.errno() == 34);
        assert!(
            error
                .message()
                .is_some_and(|message| error.to_string().contains(message))
        );
        assert_eq!(error.within(bytes, bytes), error);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn views_never_panic(bytes in attributes()) {
        plausible(&bytes, CommandAttrs::decode(&bytes));
        plausible(&bytes, ServiceAttrs::decode(&bytes));
        plausible(&bytes, DestinationAttrs::decode(&bytes));
        plausible(&bytes, DaemonAttrs::decode(&bytes));
        plausible(&bytes, CtrlFamilyAttrs::decode(&bytes));
        plausible(&bytes, CtrlFamilyAttrs::decode_with(&bytes, Validation::Strict));
        plausible(&bytes, CtrlPolicyAttrs::decode(&bytes));
    }

    #[test]
    fn parsed_attributes_are_stable(bytes in attributes()) {
        stable::<IpvsAttr>(&bytes);
        stable::<ServiceAttr>(&bytes);
        stable::<DestinationAttr>(&bytes);
        stable::<DaemonAttr>(&bytes);
        stable::<StatsAttr>(&bytes);
        stable::<InfoAttr>(&bytes);
    }

    #[test]
    fn messages_never_panic(cmd in 0..20_u8, version: u8, bytes in attributes()) {
        let header = GenlHeader { cmd, version };
        if let Ok(message) = IpvsMessage::parse_with_param(&bytes[..], header) {
            let once = emitted(&message);
            let again = IpvsMessage::parse_with_param(&once[..], header).unwrap();
            prop_assert_eq!(once, emitted(&again));
        }
        let _ = NetlinkMessage::<GenlMessage<IpvsMessage>>::deserialize(&bytes);
    }

    /// The view and the tree read the same values wherever both accept.
    #[test]
    fn views_agree_with_the_tree(bytes in attributes()) {
        let Ok(view) = ServiceAttrs::decode(&bytes) else { return Ok(()) };
        let tree = NlasIterator::new(&bytes[..])
            .map(|nla| ServiceAttr::parse(&nla?))
            .collect::<Result<Vec<_>, _>>();
        let Ok(tree) = tree else { return Ok(()) };
        let mut viewed = Vec::new();
        viewed.extend(view.af.map(ServiceAttr::Af));
        viewed.extend(view.protocol.map(ServiceAttr::Protocol));
        viewed.extend(view.addr.map(ServiceAttr::Addr));
        viewed.extend(view.port.map(ServiceAttr::Port));
        viewed.extend(view.fwmark.map(ServiceAttr::Fwmark));
        viewed.extend(view.sched_name.map(|v| ServiceAttr::SchedName(v.into())));
        viewed.extend(view.pe_name.map(|v| ServiceAttr::PeName(v.into())));
        viewed.extend(view.flags.map(ServiceAttr::Flags));
        viewed.extend(view.timeout.map(ServiceAttr::Timeout));
        viewed.extend(view.netmask.map(ServiceAttr::Netmask));
        for attribute in &tree {
            if matches!(
                attribute,
                ServiceAttr::Stats(_) | ServiceAttr::Stats64(_) | ServiceAttr::Other(_)
            ) {
                continue;
            }
            // The last attribute of each type counts.
            let same = |other: &&ServiceAttr| discriminant(*other) == discriminant(attribute);
            prop_assert_eq!(viewed.iter().find(same), tree.iter().rev().find(same));
        }
    }
}
