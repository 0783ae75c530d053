//! The generic netlink controller's part: which number our family has, and what it offers
//! (`ctrl_getfamily` in `net/netlink/genetlink.c`).
//!
//! Requests about other families never get here; the kernel answers those.

use netlink_packet_core::Emitable as _;
use netlink_packet_generic::{GenlFamily as _, GenlHeader, constants::GENL_ID_CTRL};
use netlink_packet_ipvs::{
    constants::IPVS_GENL_NAME, new_family, policy::CtrlFamilyAttrs, writer::Writer,
};

use super::{
    FAMILY_ID,
    message::{ATTRIBUTES_AT, Generic},
    refusal::Refusal,
    reply::Answering,
    server::Outcome,
};

/// `CTRL_CMD_GETFAMILY`.
const GETFAMILY: u8 = 3;

/// Answers a request to the controller.
pub(super) fn answer(generic: &Generic<'_>, answering: Answering) -> Result<Outcome, Refusal> {
    if generic.command != GETFAMILY {
        return Err(Refusal::new(
            libc::EOPNOTSUPP,
            "not a request about our family",
        ));
    }
    let attrs = CtrlFamilyAttrs::decode(generic.attributes)
        .map_err(|error| Refusal::policy(&error, ATTRIBUTES_AT))?;
    // The name decides where both are given, as in the kernel.
    let ours = match (attrs.family_name, attrs.family_id) {
        (Some(name), _) => name == IPVS_GENL_NAME.as_bytes(),
        (None, Some(id)) => id == FAMILY_ID,
        (None, None) => return Err(Refusal::new(libc::EINVAL, "no family asked for")),
    };
    if !ours {
        let refusal = Refusal::new(libc::ENOENT, "a family that is not ours");
        return Err(refusal.or_text(attrs.warning()));
    }
    let family = new_family(FAMILY_ID);
    let genl = GenlHeader {
        cmd: family.command(),
        version: family.version(),
    };
    let mut bytes = Vec::new();
    Writer::new(&mut bytes).message(answering.header(GENL_ID_CTRL, 0), genl, |writer| {
        writer.emit(&family)
    });
    debug_assert!(bytes.len() > family.buffer_len());
    Ok(Outcome::Reply(bytes, attrs.warning()))
}
