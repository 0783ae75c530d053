//! What comes back has to be an answer to some version of the message.

use std::{
    collections::BTreeMap,
    os::fd::{AsRawFd as _, OwnedFd},
};

use compat_tests::wire::Reply;
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, recv},
};

/// How often each thing happened.
pub(crate) type Tally = BTreeMap<String, u64>;

/// `NLM_F_CAPPED`: an error does not repeat the request.
const CAPPED: u16 = 0x100;

/// Reads all that is there.
pub(crate) fn read(socket: &OwnedFd, tally: &mut Tally) -> nix::Result<()> {
    let mut buffer = vec![0; 1 << 17];
    loop {
        let length = match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => length,
            Err(Errno::EAGAIN) => return Ok(()),
            // There was no room for replies.
            Err(Errno::ENOBUFS) => continue,
            Err(errno) => return Err(errno),
        };
        let datagram = buffer.get(..length).unwrap_or_default();
        for reply in Reply::all(datagram) {
            let what = match reply.verdict() {
                Some(errno) => format!("answered {:?}", Errno::from_raw(errno)),
                None => "answered".to_owned(),
            };
            *tally.entry(what).or_default() += 1;
            if let Some(wrong) = fault(&reply, datagram) {
                *tally.entry(format!("wrong: {wrong}")).or_default() += 1;
            }
        }
    }
}

/// What is wrong with a reply.
fn fault(reply: &Reply, datagram: &[u8]) -> Option<String> {
    if ![1, 2].contains(&reply.sequence) {
        return Some(format!("a reply to request {}", reply.sequence));
    }
    reply.verdict().filter(|errno| *errno != 0)?;
    // An error repeats the request, by the length that it had when it was taken.
    let flags = u16::from_ne_bytes(datagram.get(6..8)?.try_into().ok()?);
    let repeated = reply.payload.get(4..)?;
    let claimed = u32::from_ne_bytes(*repeated.first_chunk()?);
    let fits = if flags & CAPPED != 0 {
        repeated.len() == 16
    } else {
        usize::try_from(claimed) == Ok(repeated.len())
    };
    (!fits).then(|| {
        format!(
            "{} bytes of a request that says it has {claimed}",
            repeated.len()
        )
    })
}
