//! The attributes of services and servers (`include/uapi/linux/ip_vs.h`), to neli's and back.

use std::{
    iter::once,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use neli::{
    Size, ToBytes,
    genl::{AttrTypeBuilder, GenlAttrHandle, Nlattr, NlattrBuilder},
    types::Buffer,
};
use nix::errno::Errno;

use crate::clients::rule::{Key, Server, Service};

/// Connections, packets in and out, bytes in and out.
pub type Stats = [u64; 5];

/// `IPVS_CMD_ATTR_SERVICE`, `IPVS_CMD_ATTR_DEST`
pub(super) const SERVICE: u16 = 1;
pub(super) const DEST: u16 = 2;
/// `IP_VS_SVC_F_*`
const PERSISTENT: u32 = 1;
const ONE_PACKET: u32 = 4;

pub(super) type Attr = Nlattr<u16, Buffer>;
type Handle<'a> = GenlAttrHandle<'a, u16>;

pub(super) fn whole_service(service: &Service) -> Attr {
    let mut flags = 0;
    if service.persistent.is_some() {
        flags |= PERSISTENT;
    }
    if service.one_packet {
        flags |= ONE_PACKET;
    }
    let mask = u32::MAX;
    let mut nest = nest(
        service_key(&service.key),
        [
            attr(6, service.scheduler.as_str()),
            attr(7, [flags.to_ne_bytes(), mask.to_ne_bytes()].concat()),
            attr(8, service.persistent.unwrap_or(0)),
            attr(9, service.netmask),
        ],
    );
    if let Some(engine) = &service.engine {
        nest = self::nest(nest, once(attr(11, engine.as_str())));
    }
    nest
}

pub(super) fn service_key(key: &Key) -> Attr {
    let empty = attr(SERVICE, Vec::<u8>::new());
    let family = attr(1, family(key.is_v6()));
    match key {
        Key::Mark(mark, _) => nest(empty, [family, attr(5, *mark)]),
        Key::Address(protocol, address) => {
            let (ip, port) = (ip(address.ip()), address.port().to_be());
            nest(
                empty,
                [family, attr(2, *protocol), attr(3, ip), attr(4, port)],
            )
        }
    }
}

pub(super) fn whole_server(server: &Server) -> Attr {
    nest(
        attr(DEST, Vec::<u8>::new()),
        [
            attr(11, family(server.address.is_ipv6())),
            attr(1, ip(server.address.ip())),
            attr(2, server.address.port().to_be()),
            attr(3, server.method),
            attr(4, server.weight),
            attr(5, server.upper),
            attr(6, server.lower),
        ],
    )
}

pub(super) fn read_service(attrs: &Handle<'_>) -> Result<Service, Errno> {
    let v6 = short(attrs, 1)? == family(true);
    let key = match number(attrs, 5) {
        Ok(mark) => Key::Mark(mark, v6),
        Err(_) => Key::Address(short(attrs, 2)?, address(attrs, 3, v6, short(attrs, 4)?)?),
    };
    let flags = u32::from_ne_bytes(*bytes(attrs, 7)?.first_chunk().ok_or(Errno::EBADMSG)?);
    Ok(Service {
        key,
        scheduler: text(attrs, 6)?,
        persistent: (flags & PERSISTENT != 0).then_some(number(attrs, 8)?),
        netmask: number(attrs, 9)?,
        one_packet: flags & ONE_PACKET != 0,
        engine: text(attrs, 11).ok(),
    })
}

pub(super) fn read_server(attrs: &Handle<'_>) -> Result<Server, Errno> {
    let v6 = short(attrs, 11)? == family(true);
    Ok(Server {
        address: address(attrs, 1, v6, short(attrs, 2)?)?,
        method: number(attrs, 3)?,
        weight: number(attrs, 4)?,
        upper: number(attrs, 5)?,
        lower: number(attrs, 6)?,
    })
}

pub(super) fn stats(attrs: &Handle<'_>, kind: u16) -> Result<Stats, Errno> {
    let attrs = attrs
        .get_nested_attributes::<u16>(kind)
        .map_err(|_| Errno::EBADMSG)?;
    let mut stats = [0; 5];
    for (kind, number) in (1..).zip(&mut stats) {
        *number = attrs
            .get_attr_payload_as(kind)
            .map_err(|_| Errno::EBADMSG)?;
    }
    Ok(stats)
}

pub(super) fn attr<P: Size + ToBytes>(kind: u16, payload: P) -> Attr {
    let kind = AttrTypeBuilder::default().nla_type(kind).build();
    let attr = kind.map(|kind| {
        NlattrBuilder::default()
            .nla_type(kind)
            .nla_payload(payload)
            .build()
    });
    attr.ok()
        .and_then(Result::ok)
        .expect("an attribute with a type and a payload")
}

fn nest(outer: Attr, inner: impl IntoIterator<Item = Attr>) -> Attr {
    inner.into_iter().fold(outer, |outer, inner| {
        outer.nest(&inner).expect("room in memory")
    })
}

fn family(v6: bool) -> u16 {
    if v6 { 10 } else { 2 }
}

/// An address in the 16 bytes that the kernel keeps for one.
fn ip(address: IpAddr) -> Vec<u8> {
    let mut octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    octets.resize(16, 0);
    octets
}

fn address(attrs: &Handle<'_>, kind: u16, v6: bool, port: u16) -> Result<SocketAddr, Errno> {
    let octets: [u8; 16] = bytes(attrs, kind)?.try_into().map_err(|_| Errno::EBADMSG)?;
    let [a, b, c, d, ..] = octets;
    let ip = if v6 {
        Ipv6Addr::from(octets).into()
    } else {
        Ipv4Addr::new(a, b, c, d).into()
    };
    Ok(SocketAddr::new(ip, u16::from_be(port)))
}

fn bytes<'a>(attrs: &'a Handle<'_>, kind: u16) -> Result<&'a [u8], Errno> {
    attrs
        .get_attribute(kind)
        .map(|attr| attr.nla_payload().as_ref())
        .ok_or(Errno::EBADMSG)
}

fn text(attrs: &Handle<'_>, kind: u16) -> Result<String, Errno> {
    let bytes = bytes(attrs, kind)?;
    Ok(String::from_utf8_lossy(bytes.strip_suffix(&[0]).ok_or(Errno::EBADMSG)?).into_owned())
}

pub(super) fn number(attrs: &Handle<'_>, kind: u16) -> Result<u32, Errno> {
    attrs.get_attr_payload_as(kind).map_err(|_| Errno::EBADMSG)
}

fn short(attrs: &Handle<'_>, kind: u16) -> Result<u16, Errno> {
    attrs.get_attr_payload_as(kind).map_err(|_| Errno::EBADMSG)
}
