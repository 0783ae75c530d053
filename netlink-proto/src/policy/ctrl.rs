// SPDX-License-Identifier: GPL-2.0-only

//! The requests to the controller (`nlctrl`) that name a family, by which a client finds IPVS.
//!
//! Its replies are in [`crate::new_family`]; the whole controller is in `netlink-packet-generic`.

use netlink_packet_generic::constants::{CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_ATTR_OP};

use super::{PolicyError, Rule, Validation, error::LEFTOVER, walk};
use crate::bytes;

/// `GENL_NAMSIZ - 1`
const NAME_LEN: u16 = 15;

const FAMILY_RULES: [Rule; CTRL_ATTR_FAMILY_NAME as usize + 1] =
    [Rule::Unspec(0), Rule::U16, Rule::NulString(NAME_LEN)];

const POLICY_RULES: [Rule; CTRL_ATTR_OP as usize + 1] = {
    let mut rules = [Rule::Unspec(0); CTRL_ATTR_OP as usize + 1];
    rules[CTRL_ATTR_FAMILY_ID as usize] = Rule::U16;
    rules[CTRL_ATTR_FAMILY_NAME as usize] = Rule::NulString(NAME_LEN);
    rules[CTRL_ATTR_OP as usize] = Rule::U32;
    rules
};

/// The attributes of `CTRL_CMD_GETFAMILY`: `ctrl_policy_family`. If both are present, the name
/// takes precedence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CtrlFamilyAttrs<'a> {
    /// Id of the family.
    pub family_id: Option<u16>,
    /// Name of the family, up to its NUL; at most 15 bytes.
    pub family_name: Option<&'a [u8]>,
    /// The number of bytes after the last attribute, which were ignored.
    pub leftover: usize,
}

impl<'a> CtrlFamilyAttrs<'a> {
    /// Decodes like the kernel: liberally, since the command has `GENL_DONT_VALIDATE_STRICT`. For a
    /// dump the kernel ignores the attributes.
    pub fn decode(attributes: &'a [u8]) -> Result<Self, PolicyError> {
        Self::decode_with(attributes, Validation::Liberal)
    }

    /// Decodes with the given strictness.
    pub fn decode_with(attributes: &'a [u8], validation: Validation) -> Result<Self, PolicyError> {
        let mut view = Self::default();
        view.leftover = walk(
            attributes,
            &FAMILY_RULES,
            validation,
            |kind, payload| match kind {
                CTRL_ATTR_FAMILY_ID => view.family_id = bytes::get_u16(payload).ok(),
                CTRL_ATTR_FAMILY_NAME => view.family_name = Some(bytes::until_nul(payload)),
                _ => {}
            },
        )?;
        Ok(view)
    }

    /// The kernel's warning in an extended acknowledgement although it accepts the attributes.
    pub fn warning(&self) -> Option<&'static str> {
        (self.leftover > 0).then_some(LEFTOVER)
    }
}

/// The attributes of a `CTRL_CMD_GETPOLICY` dump: `ctrl_policy_policy`. If both are present, the id
/// takes precedence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CtrlPolicyAttrs<'a> {
    /// Id of the family.
    pub family_id: Option<u16>,
    /// Name of the family, up to its NUL; at most 15 bytes.
    pub family_name: Option<&'a [u8]>,
    /// The command whose policy is requested; `None` for all commands.
    pub op: Option<u32>,
}

impl<'a> CtrlPolicyAttrs<'a> {
    /// Decodes like the kernel: strictly.
    pub fn decode(attributes: &'a [u8]) -> Result<Self, PolicyError> {
        let mut view = Self::default();
        walk(
            attributes,
            &POLICY_RULES,
            Validation::Strict,
            |kind, payload| match kind {
                CTRL_ATTR_FAMILY_ID => view.family_id = bytes::get_u16(payload).ok(),
                CTRL_ATTR_FAMILY_NAME => view.family_name = Some(bytes::until_nul(payload)),
                CTRL_ATTR_OP => view.op = bytes::get_u32(payload).ok(),
                _ => {}
            },
        )?;
        Ok(view)
    }
}
