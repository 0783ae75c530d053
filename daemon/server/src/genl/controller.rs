//! The generic netlink controller's reply for the family "IPVS": its number and its operations
//! (`ctrl_getfamily` in `net/netlink/genetlink.c`).
//!
//! Requests about other families do not reach this module; the kernel answers them.

use std::sync::LazyLock;

use netlink_packet_generic::{GenlFamily as _, GenlHeader, constants::GENL_ID_CTRL};
use netlink_packet_ipvs::{
    constants::IPVS_GENL_NAME, new_family, policy::CtrlFamilyAttrs, writer::Writer,
};

use super::{
    FAMILY_ID,
    error::RequestError,
    message::{ATTRIBUTES_AT, Generic},
    outcome::Outcome,
    reply::ReplyHeader,
};

/// `CTRL_CMD_GETFAMILY`.
const GETFAMILY: u8 = 3;

/// Answers a request to the controller.
pub(super) fn answer(generic: &Generic<'_>, header: ReplyHeader) -> Result<Outcome, RequestError> {
    if generic.command != GETFAMILY {
        return Err(RequestError::new(
            libc::EOPNOTSUPP,
            "not a request about our family",
        ));
    }
    let attrs = CtrlFamilyAttrs::decode(generic.attributes)
        .map_err(|error| RequestError::policy(&error, ATTRIBUTES_AT))?;
    // If both are given, the name takes precedence, as in the kernel.
    let ours = match (attrs.family_name, attrs.family_id) {
        (Some(name), _) => name == IPVS_GENL_NAME.as_bytes(),
        (None, Some(id)) => id == FAMILY_ID,
        (None, None) => return Err(RequestError::new(libc::EINVAL, "no family asked for")),
    };
    if !ours {
        let error = RequestError::new(libc::ENOENT, "a family that is not ours");
        return Err(error.or_text(attrs.warning()));
    }
    Ok(Outcome::Reply(description(header), attrs.warning()))
}

/// The description of the family. Only the reply header differs between clients. Clients request it
/// before each command, so it is encoded once.
fn description(header: ReplyHeader) -> Vec<u8> {
    static ENCODED: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let family = new_family(FAMILY_ID);
        let genl = GenlHeader {
            cmd: family.command(),
            version: family.version(),
        };
        let unaddressed = ReplyHeader {
            port: 0,
            sequence: 0,
        };
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).message(unaddressed.header(GENL_ID_CTRL, 0), genl, |writer| {
            writer.emit(&family);
        });
        bytes
    });
    let mut bytes = ENCODED.clone();
    header.address(&mut bytes);
    bytes
}
