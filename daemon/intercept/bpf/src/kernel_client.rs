//! Sends generic netlink requests to the kernel, like a client. Used before the hook is attached.

use std::io;

use netlink_packet_core::NLM_F_ACK;
use netlink_packet_generic::{
    GenlMessage,
    ctrl::{GenlCtrl, GenlCtrlCmd, nlas::GenlCtrlAttrs},
};
use netlink_packet_ipvs::{IpvsCommand, IpvsMessage, constants::IPVS_GENL_NAME};
use nix::sys::socket::SockProtocol;

use sockvs_server::genl::FAMILY_ID;
use sockvs_sys::netlink::KernelSocket;

/// Whether a family has our number in the calling thread's namespace. No kernel family can.
pub(super) fn is_our_number_known() -> io::Result<bool> {
    match ask_controller(GenlCtrlAttrs::FamilyId(FAMILY_ID)) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        // Whatever the answer says, there is one.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(true),
        // The kernel answers immediately, so another program is delaying the answer.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

/// Removes all services of the kernel's own table in the calling thread's namespace.
pub(super) fn flush() -> io::Result<()> {
    let reply = ask_controller(GenlCtrlAttrs::FamilyName(IPVS_GENL_NAME.to_owned()))?;
    let attributes = reply.iter().flat_map(|message| &message.payload.nlas);
    let number = attributes
        .into_iter()
        .find_map(|attribute| match attribute {
            GenlCtrlAttrs::FamilyId(number) => Some(*number),
            _ => None,
        });
    let number = number.ok_or(io::ErrorKind::InvalidData)?;
    let flush = IpvsMessage::new(IpvsCommand::Flush, Vec::new());
    let mut request = GenlMessage::from_payload(flush);
    request.set_resolved_family_id(number);
    open()?.request(request, NLM_F_ACK).map(drop)
}

fn ask_controller(asked: GenlCtrlAttrs) -> io::Result<Vec<GenlMessage<GenlCtrl>>> {
    let request = GenlMessage::from_payload(GenlCtrl {
        cmd: GenlCtrlCmd::GetFamily,
        nlas: vec![asked],
    });
    open()?.request(request, 0)
}

fn open() -> io::Result<KernelSocket> {
    KernelSocket::open(SockProtocol::NetlinkGeneric)
}
