//! Netlink messages byte by byte, for those that no client would send.

/// `IPVS_CMD_ATTR_SERVICE`
pub const SERVICE: u16 = 1;
/// `IPVS_CMD_ATTR_DEST`
pub const DEST: u16 = 2;
/// `IPVS_CMD_ATTR_DAEMON`
pub const DAEMON: u16 = 3;

/// `IPPROTO_TCP`, as a service's attribute has it.
#[expect(clippy::cast_possible_truncation, reason = "it is a byte in a packet")]
pub const TCP: u16 = libc::IPPROTO_TCP as u16;
/// `IPPROTO_UDP`
#[expect(clippy::cast_possible_truncation, reason = "it is a byte in a packet")]
pub const UDP: u16 = libc::IPPROTO_UDP as u16;

/// `GENL_ID_CTRL`, the controller's number.
pub const CONTROLLER: u16 = 0x10;
/// `CTRL_CMD_GETFAMILY`
pub const GET_FAMILY: u8 = 3;
/// `CTRL_ATTR_FAMILY_ID`
pub const FAMILY_ID: u16 = 1;
/// `CTRL_ATTR_FAMILY_NAME`
pub const FAMILY_NAME: u16 = 2;

/// `NLM_F_REQUEST`
pub const REQUEST: u16 = 1;
/// `NLM_F_ACK`
pub const ACK: u16 = 4;
/// `NLM_F_DUMP`
pub const DUMP: u16 = 0x300;

/// An attribute.
#[must_use]
pub fn attr(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).expect("attributes have less than 64 KiB");
    raw_attr(kind, length, payload)
}

/// An attribute that says that it has another length than it has.
#[must_use]
pub fn raw_attr(kind: u16, length: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An attribute of attributes.
#[must_use]
pub fn nest(kind: u16, inner: &[Vec<u8>]) -> Vec<u8> {
    attr(kind, &inner.concat())
}

/// An attribute with a number of 16 bits.
#[must_use]
pub fn short(kind: u16, value: u16) -> Vec<u8> {
    attr(kind, &value.to_ne_bytes())
}

/// An attribute with a number of 32 bits.
#[must_use]
pub fn number(kind: u16, value: u32) -> Vec<u8> {
    attr(kind, &value.to_ne_bytes())
}

/// An attribute with a text and the NUL that ends it.
#[must_use]
pub fn text(kind: u16, value: &str) -> Vec<u8> {
    attr(kind, &[value.as_bytes(), &[0]].concat())
}

/// A netlink message.
#[must_use]
pub fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).expect("messages are small");
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// The payload of a generic netlink message: its header and its attributes.
#[must_use]
pub fn generic(command: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
    [&[command, 1, 0, 0], attributes.concat().as_slice()].concat()
}

/// A message that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// `nlmsg_type`
    pub kind: u16,
    /// `nlmsg_seq`
    pub sequence: u32,
    /// `nlmsg_pid`
    pub port: u32,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Reply {
    /// Cuts a datagram into messages.
    ///
    /// # Panics
    ///
    /// When it is not made of whole messages.
    #[must_use]
    pub fn all(mut datagram: &[u8]) -> Vec<Self> {
        let mut replies = Vec::new();
        while !datagram.is_empty() {
            let number = |at: usize| {
                u32::from_ne_bytes(datagram[at..at + 4].try_into().expect("four bytes"))
            };
            let length = usize::try_from(number(0)).expect("messages are small");
            replies.push(Self {
                kind: u16::from_ne_bytes([datagram[4], datagram[5]]),
                sequence: number(8),
                port: number(12),
                payload: datagram[16..length].to_vec(),
            });
            datagram = datagram
                .get(length.next_multiple_of(4)..)
                .unwrap_or_default();
        }
        replies
    }

    /// The errno of a verdict, 0 of an acknowledgement; none of other messages.
    #[must_use]
    pub fn verdict(&self) -> Option<i32> {
        let errno = self
            .payload
            .first_chunk()
            .copied()
            .map(i32::from_ne_bytes)?;
        (self.kind == 2).then_some(-errno)
    }

    /// Whether a list ends here.
    #[must_use]
    pub fn is_end_of_list(&self) -> bool {
        self.kind == 3
    }
}
