// SPDX-License-Identifier: GPL-2.0-only

//! Attributes that this crate does not know: kept as they are.

use netlink_packet_core::{DecodeError, DefaultNla, NlaBuffer, Parseable};

/// Takes an attribute as it is.
///
/// One that says both of itself, that it is a nest and that it is a number in network byte order,
/// is an error: netlink knows no such attribute (`NLA_F_NET_BYTEORDER` in `linux/netlink.h`), and
/// `DefaultNla` would be emitted without one of the two.
pub(crate) fn parse<T: AsRef<[u8]> + ?Sized>(
    nla: &NlaBuffer<&T>,
) -> Result<DefaultNla, DecodeError> {
    if nla.nested_flag() && nla.network_byte_order_flag() {
        return Err(DecodeError::from(
            "the attribute is both a nest and a number in network byte order",
        ));
    }
    DefaultNla::parse(nla)
}
