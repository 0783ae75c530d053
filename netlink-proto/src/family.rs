// SPDX-License-Identifier: GPL-2.0-only

//! The controller's description of the family, for a client that requests it by name.
//!
//! This is only the description of IPVS: the messages of the controller themselves are in
//! `netlink-packet-generic`. Source: `ip_vs_genl_ops` in `net/netfilter/ipvs/ip_vs_ctl.c` and
//! `ctrl_fill_info` in `net/netlink/genetlink.c`.

use netlink_packet_generic::ctrl::{
    GenlCtrl, GenlCtrlCmd,
    nlas::{GenlCtrlAttrs, OpAttrs},
};

use crate::{IpvsCommand, constants::*};

/// How the kernel serves a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyOperation {
    /// The command.
    pub command: IpvsCommand,
    /// Whether it can be sent without `NLM_F_DUMP`; otherwise the answer is `EOPNOTSUPP`.
    pub can_do: bool,
    /// Whether it can be sent with `NLM_F_DUMP`; otherwise the answer is `EOPNOTSUPP`.
    pub can_dump: bool,
}

impl FamilyOperation {
    const ADMIN_PERM: u32 = 0x01;
    const CAP_DO: u32 = 0x02;
    const CAP_DUMP: u32 = 0x04;
    const CAP_HASPOL: u32 = 0x08;

    const fn new(command: IpvsCommand, can_do: bool, can_dump: bool) -> Self {
        Self {
            command,
            can_do,
            can_dump,
        }
    }

    /// The flags in `CTRL_ATTR_OP_FLAGS`. Every command requires `CAP_NET_ADMIN`
    /// (`GENL_ADMIN_PERM`) and has a policy (`GENL_CMD_CAP_HASPOL`).
    pub const fn flags(self) -> u32 {
        let mut flags = Self::ADMIN_PERM | Self::CAP_HASPOL;
        if self.can_do {
            flags |= Self::CAP_DO;
        }
        if self.can_dump {
            flags |= Self::CAP_DUMP;
        }
        flags
    }
}

/// The commands that the kernel serves, in the order in which it lists them. The answer to any
/// other is `EOPNOTSUPP`.
pub const FAMILY_OPERATIONS: [FamilyOperation; 16] = [
    FamilyOperation::new(IpvsCommand::NewService, true, false),
    FamilyOperation::new(IpvsCommand::SetService, true, false),
    FamilyOperation::new(IpvsCommand::DelService, true, false),
    FamilyOperation::new(IpvsCommand::GetService, true, true),
    FamilyOperation::new(IpvsCommand::NewDest, true, false),
    FamilyOperation::new(IpvsCommand::SetDest, true, false),
    FamilyOperation::new(IpvsCommand::DelDest, true, false),
    FamilyOperation::new(IpvsCommand::GetDest, false, true),
    FamilyOperation::new(IpvsCommand::NewDaemon, true, false),
    FamilyOperation::new(IpvsCommand::DelDaemon, true, false),
    FamilyOperation::new(IpvsCommand::GetDaemon, false, true),
    FamilyOperation::new(IpvsCommand::SetConfig, true, false),
    FamilyOperation::new(IpvsCommand::GetConfig, true, false),
    FamilyOperation::new(IpvsCommand::GetInfo, true, false),
    FamilyOperation::new(IpvsCommand::Zero, true, false),
    FamilyOperation::new(IpvsCommand::Flush, true, false),
];

/// The controller's answer to `CTRL_CMD_GETFAMILY` for IPVS with this id, with the kernel's
/// attributes in its order.
pub fn new_family(family_id: u16) -> GenlCtrl {
    let operations = FAMILY_OPERATIONS.iter().map(|operation| {
        vec![
            OpAttrs::Id(u8::from(operation.command).into()),
            OpAttrs::Flags(operation.flags()),
        ]
    });
    GenlCtrl {
        cmd: GenlCtrlCmd::NewFamily,
        nlas: vec![
            GenlCtrlAttrs::FamilyName(IPVS_GENL_NAME.to_owned()),
            GenlCtrlAttrs::FamilyId(family_id),
            GenlCtrlAttrs::Version(IPVS_GENL_VERSION.into()),
            GenlCtrlAttrs::HdrSize(0),
            GenlCtrlAttrs::MaxAttr(IPVS_CMD_ATTR_MAX.into()),
            GenlCtrlAttrs::Ops(operations.collect()),
        ],
    }
}
