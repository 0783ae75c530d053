// SPDX-License-Identifier: GPL-2.0-only

//! Unknown attributes, which are kept unchanged.

use netlink_packet_core::{DecodeError, DefaultNla, NlaBuffer, Parseable};

/// Parses an unknown attribute.
///
/// An attribute with both flags, for a nest and for a number in network byte order, is an error:
/// netlink has no such attribute (`NLA_F_NET_BYTEORDER` in `linux/netlink.h`), and `DefaultNla`
/// would be emitted without one of the two.
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
