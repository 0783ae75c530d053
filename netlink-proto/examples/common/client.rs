// SPDX-License-Identifier: GPL-2.0-only

//! Sends requests to generic netlink and receives the answers, one request at a time.

use std::{
    fmt::Debug,
    os::fd::{AsRawFd, OwnedFd},
};

use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
    ParseableParametrized,
};
use netlink_packet_generic::{
    GenlFamily, GenlHeader, GenlMessage,
    ctrl::{GenlCtrl, GenlCtrlCmd, nlas::GenlCtrlAttrs},
};
use netlink_packet_ipvs::{IpvsAttr, IpvsCommand, IpvsMessage, constants::IPVS_GENL_NAME};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto,
    socket,
};

use super::Failure;

/// The kernel's datagrams have at most 32 KiB.
const LONGEST_DATAGRAM: usize = 64 * 1024;

/// A socket, and the family's id on this machine.
pub(crate) struct Client {
    socket: OwnedFd,
    family: u16,
    sequence: u32,
}

impl Client {
    /// Opens a socket and asks the controller for IPVS, which makes the kernel load the module if
    /// possible.
    pub(crate) fn open() -> Result<Self, Failure> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkGeneric,
        )
        .map_err(|errno| Failure::System("cannot open a netlink socket", errno))?;
        // The kernel chooses the address. The socket is not connected: sockvs can only answer
        // unconnected sockets.
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))
            .map_err(|errno| Failure::System("cannot bind a netlink socket", errno))?;
        let mut client = Self {
            socket,
            family: 0,
            sequence: 0,
        };
        client.family = client.resolve()?;
        Ok(client)
    }

    /// Requests a dump.
    pub(crate) fn dump(
        &mut self,
        command: IpvsCommand,
        attributes: Vec<IpvsAttr>,
    ) -> Result<Vec<IpvsMessage>, Failure> {
        self.ask(IpvsMessage::new(command, attributes), NLM_F_DUMP)
    }

    fn resolve(&mut self) -> Result<u16, Failure> {
        let request = GenlCtrl {
            cmd: GenlCtrlCmd::GetFamily,
            nlas: vec![GenlCtrlAttrs::FamilyName(IPVS_GENL_NAME.to_owned())],
        };
        let answers = self
            .ask(request, NLM_F_ACK)
            .map_err(Failure::of_controller)?;
        answers
            .iter()
            .flat_map(|answer| &answer.nlas)
            .find_map(|attribute| match attribute {
                GenlCtrlAttrs::FamilyId(id) => Some(*id),
                _ => None,
            })
            .ok_or(Failure::Answer("the controller gave no id".to_owned()))
    }

    /// Sends a request, and collects the answers up to the acknowledgement (`NLM_F_ACK`) or the end
    /// of the dump (`NLM_F_DUMP`): one of the two must be among the flags.
    pub(crate) fn ask<F>(&mut self, payload: F, flags: u16) -> Result<Vec<F>, Failure>
    where
        F: GenlFamily + Emitable + ParseableParametrized<[u8], GenlHeader> + Debug,
    {
        self.sequence += 1;
        let mut message = GenlMessage::from_payload(payload);
        message.set_resolved_family_id(self.family);
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        request.header.sequence_number = self.sequence;
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        let kernel = NetlinkAddr::new(0, 0);
        sendto(self.socket.as_raw_fd(), &bytes, &kernel, MsgFlags::empty())
            .map_err(|errno| Failure::System("cannot send a request", errno))?;

        let mut answers = Vec::new();
        let mut buffer = vec![0; LONGEST_DATAGRAM];
        // With MSG_TRUNC, it returns the length of the datagram even if the buffer was too short.
        // The sender is not checked: sockvs answers from its own port, and the kernel lets no
        // program without privileges send here.
        let receive = |buffer: &mut [u8]| {
            recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC)
                .map_err(|errno| Failure::System("cannot receive the answer", errno))
        };
        loop {
            let length = receive(&mut buffer)?;
            let datagram = buffer
                .get(..length)
                .ok_or_else(|| Failure::Answer(format!("a datagram has {length} bytes")))?;
            if take(datagram, self.sequence, &mut answers)? {
                return Ok(answers);
            }
        }
    }
}

/// Parses the messages of a datagram that answer the request with this sequence number. Returns
/// whether the last answer was among them.
pub(crate) fn take<F>(datagram: &[u8], sequence: u32, answers: &mut Vec<F>) -> Result<bool, Failure>
where
    F: ParseableParametrized<[u8], GenlHeader> + Debug,
{
    let mut rest = datagram;
    while !rest.is_empty() {
        let message = NetlinkMessage::<GenlMessage<F>>::deserialize(rest)?;
        let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
        let padded = length.checked_next_multiple_of(4).unwrap_or(usize::MAX);
        rest = rest.get(padded..).unwrap_or_default();
        if message.header.sequence_number != sequence {
            continue;
        }
        match message.payload {
            NetlinkPayload::InnerMessage(answer) => answers.push(answer.into_parts().1),
            NetlinkPayload::Done(done) if done.code == 0 => return Ok(true),
            NetlinkPayload::Done(done) => return Err(Failure::refused(done.code)),
            NetlinkPayload::Error(error) => match error.code {
                None => return Ok(true),
                Some(code) => return Err(Failure::refused(code.get())),
            },
            other => return Err(Failure::Answer(format!("unexpected {other:?}"))),
        }
    }
    Ok(false)
}
