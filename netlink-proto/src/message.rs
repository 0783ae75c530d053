// SPDX-License-Identifier: GPL-2.0-only

//! A message of the family: its command and its attributes, without the two headers.
//!
//! `NetlinkMessage<GenlMessage<IpvsMessage>>` is the whole message; the id that the kernel assigned
//! to the family goes into `GenlMessage::set_resolved_family_id`. Acknowledgements and ends of
//! dumps are part of netlink and not of this crate.

use netlink_packet_core::{DecodeError, Emitable, ErrorContext, ParseableParametrized};
use netlink_packet_generic::{GenlFamily, GenlHeader};

use crate::{InfoAttr, IpvsAttr, IpvsCommand, constants::*, nest::parse_all};

/// A request or a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpvsMessage {
    /// What it requests, or answers.
    pub cmd: IpvsCommand,
    /// Version in the generic netlink header. The kernel sends 1 and does not check it.
    pub version: u8,
    /// The attributes.
    pub payload: IpvsPayload,
}

/// The attributes of a message, in their order on the wire.
///
/// [`IpvsCommand::SetInfo`] has its own numbers for its attributes; parsing selects the variant by
/// the command, emission writes the attributes of the variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IpvsPayload {
    /// Those of any command except [`IpvsCommand::SetInfo`].
    Attributes(Vec<IpvsAttr>),
    /// Those of [`IpvsCommand::SetInfo`].
    Info(Vec<InfoAttr>),
}

impl IpvsMessage {
    /// A message of any command except [`IpvsCommand::SetInfo`].
    pub fn new(cmd: IpvsCommand, attributes: Vec<IpvsAttr>) -> Self {
        Self {
            cmd,
            version: IPVS_GENL_VERSION,
            payload: IpvsPayload::Attributes(attributes),
        }
    }

    /// The reply to [`IpvsCommand::GetInfo`].
    pub fn info(version: u32, conn_tab_size: u32) -> Self {
        Self {
            cmd: IpvsCommand::SetInfo,
            version: IPVS_GENL_VERSION,
            payload: IpvsPayload::Info(vec![
                InfoAttr::Version(version),
                InfoAttr::ConnTabSize(conn_tab_size),
            ]),
        }
    }

    /// The attributes of any command except [`IpvsCommand::SetInfo`], for which this is empty.
    pub fn attributes(&self) -> &[IpvsAttr] {
        match &self.payload {
            IpvsPayload::Attributes(attributes) => attributes,
            IpvsPayload::Info(_) => &[],
        }
    }
}

impl GenlFamily for IpvsMessage {
    fn family_name() -> &'static str {
        IPVS_GENL_NAME
    }

    fn command(&self) -> u8 {
        self.cmd.into()
    }

    fn version(&self) -> u8 {
        self.version
    }
}

impl Emitable for IpvsMessage {
    fn buffer_len(&self) -> usize {
        match &self.payload {
            IpvsPayload::Attributes(attributes) => attributes.as_slice().buffer_len(),
            IpvsPayload::Info(attributes) => attributes.as_slice().buffer_len(),
        }
    }

    fn emit(&self, buffer: &mut [u8]) {
        match &self.payload {
            IpvsPayload::Attributes(attributes) => attributes.as_slice().emit(buffer),
            IpvsPayload::Info(attributes) => attributes.as_slice().emit(buffer),
        }
    }
}

impl ParseableParametrized<[u8], GenlHeader> for IpvsMessage {
    fn parse_with_param(buffer: &[u8], header: GenlHeader) -> Result<Self, DecodeError> {
        let cmd = IpvsCommand::from(header.cmd);
        let payload = match cmd {
            IpvsCommand::SetInfo => parse_all(buffer).map(IpvsPayload::Info),
            _ => parse_all(buffer).map(IpvsPayload::Attributes),
        }
        .with_context(|| format!("invalid IPVS message {cmd:?}"))?;
        Ok(Self {
            cmd,
            version: header.version,
            payload,
        })
    }
}
