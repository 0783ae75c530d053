//! The wire: no bytes make anything panic, and what can be read says the same when it is written
//! again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload, NlasIterator, Parseable};
use netlink_packet_generic::GenlMessage;
use netlink_packet_ipvs::{
    IpvsMessage, ServiceAttr,
    policy::{
        CommandAttrs, CtrlFamilyAttrs, CtrlPolicyAttrs, DaemonAttrs, DestinationAttrs, PolicyError,
        ServiceAttrs, Validation,
    },
};

type Message = NetlinkMessage<GenlMessage<IpvsMessage>>;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::deserialize(bytes)
        && let NetlinkPayload::InnerMessage(_) = message.payload
    {
        survives(message);
    }
    if let Some(attributes) = bytes.get(20..) {
        views(attributes);
    }
});

fn written(message: &Message) -> Vec<u8> {
    let mut bytes = vec![0xff; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn survives(mut message: Message) {
    // What was not padded has another length now.
    message.finalize();
    let bytes = written(&message);
    let again = Message::deserialize(&bytes).expect("what was written can be read");
    assert_eq!(message, again);
    assert_eq!(written(&again), bytes);
}

/// What a server reads of a message, and of the nests in it.
fn views(attributes: &[u8]) {
    let command = CommandAttrs::decode(attributes);
    plausible(attributes, command.as_ref().err());
    if let Ok(CommandAttrs {
        service,
        dest,
        daemon,
        ..
    }) = command
    {
        if let Some(nest) = service {
            let view = ServiceAttrs::decode(nest);
            plausible(nest, view.as_ref().err());
            if let Ok(view) = view {
                agrees(nest, &view);
            }
        }
        for nest in [dest, daemon].into_iter().flatten() {
            plausible(nest, DestinationAttrs::decode(nest).as_ref().err());
            plausible(nest, DaemonAttrs::decode(nest).as_ref().err());
        }
    }
    for validation in [Validation::Liberal, Validation::Strict] {
        let view = CtrlFamilyAttrs::decode_with(attributes, validation);
        plausible(attributes, view.as_ref().err());
    }
    plausible(
        attributes,
        CtrlPolicyAttrs::decode(attributes).as_ref().err(),
    );
}

/// An error is about something that is there.
fn plausible(attributes: &[u8], error: Option<&PolicyError>) {
    if let Some(error) = error {
        assert!(error.offset < attributes.len(), "{error:?}");
        assert!([22, 34].contains(&error.errno()), "{error:?}");
        assert!(error.message().is_some());
    }
}

/// What the server reads of a service is what the message says, where both can be read: of two
/// attributes of one kind, the last.
fn agrees(nest: &[u8], view: &ServiceAttrs<'_>) {
    let tree: Result<Vec<_>, _> = NlasIterator::new(nest)
        .map(|nla| ServiceAttr::parse(&nla?))
        .collect();
    let Ok(tree) = tree else { return };
    macro_rules! last {
        ($kind:ident) => {
            tree.iter().rev().find_map(|attribute| match attribute {
                ServiceAttr::$kind(value) => Some(value),
                _ => None,
            })
        };
    }
    assert_eq!(last!(Af), view.af.as_ref());
    assert_eq!(last!(Protocol), view.protocol.as_ref());
    assert_eq!(last!(Addr), view.addr.as_ref());
    assert_eq!(last!(Port), view.port.as_ref());
    assert_eq!(last!(Fwmark), view.fwmark.as_ref());
    assert_eq!(last!(Flags), view.flags.as_ref());
    assert_eq!(last!(Timeout), view.timeout.as_ref());
    assert_eq!(last!(Netmask), view.netmask.as_ref());
    let names = [last!(SchedName), last!(PeName)];
    let names = names.map(|name| name.map(|name| name.as_bytes()));
    assert_eq!(names, [view.sched_name, view.pe_name]);
}
