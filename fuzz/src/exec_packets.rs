//! What the packets between supervisor and daemon say, without a socket in between.

use sockvs_intercept_seccomp::wire::{
    Answer, Kind, Request, decode_call, decode_value, encode_call, encode_value,
};
use sockvs_server::procfs::Place;
use sockvs_server::sockopt::Call;

/// What a supervisor asks.
#[derive(Clone, Debug)]
pub enum Asked {
    /// To carry out netlink messages.
    Netlink(Vec<u8>),
    /// To carry out a call.
    Option(Call),
    /// To tell what is at a place.
    File(Place),
}

/// What a packet asks, and the packet that asks the same; none if the daemon closes the connection
/// because of it.
#[must_use]
pub fn request(packet: &[u8]) -> Option<(Asked, Vec<u8>)> {
    let (request, contents) = Request::decode(packet)?;
    let (asked, same) = match request.kind {
        Kind::Netlink => (Asked::Netlink(contents.to_vec()), contents.to_vec()),
        Kind::Option => {
            let call = decode_call(contents)?;
            let same = encode_call(&call);
            (Asked::Option(call), same)
        }
        Kind::File => {
            let place = str::from_utf8(contents).ok().and_then(Place::of_path)?;
            (Asked::File(place), contents.to_vec())
        }
    };
    Some((asked, request.encode(&same)))
}

/// The packet that answers the same as this one; none if the supervisor closes the connection
/// because of it.
#[must_use]
pub fn same_answer(packet: &[u8]) -> Option<Vec<u8>> {
    let (answer, contents) = Answer::decode(packet)?;
    Some(answer.encode(contents))
}

/// The pieces of a value that say the same as these.
#[must_use]
pub fn same_value(pieces: &[u8]) -> Option<Vec<u8>> {
    decode_value(pieces).map(|value| encode_value(&value))
}
