//! What becomes of a message on its way.

use arbitrary::Arbitrary;

/// One thing that becomes of it.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Damage {
    /// A byte is another one.
    Byte { at: u16, xor: u8 },
    /// The end is missing, and the length says so.
    Cut { by: u8 },
    /// The length lies.
    Length(u32),
    /// Bytes follow inside the message.
    Tail([u8; 5]),
}

impl Damage {
    pub(super) fn apply(self, message: &mut Vec<u8>) {
        match self {
            Self::Byte { at, xor } => {
                let at = usize::from(at) % message.len();
                message[at] ^= xor;
            }
            Self::Cut { by } => message.truncate(message.len().saturating_sub(by.into()).max(4)),
            Self::Length(length) => message[..4].copy_from_slice(&length.to_ne_bytes()),
            Self::Tail(bytes) => message.extend(bytes),
        }
        if let (Self::Cut { .. } | Self::Tail(_), Ok(length)) = (self, u32::try_from(message.len()))
        {
            message[..4].copy_from_slice(&length.to_ne_bytes());
        }
    }
}
