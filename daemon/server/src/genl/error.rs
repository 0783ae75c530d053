//! The error that answers a message: the error number, and the kernel's extended acknowledgement.

use netlink_packet_ipvs::policy::{PolicyError, Rule};

/// An error, as it is sent to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestError {
    /// The error number, positive.
    pub(super) errno: i32,
    /// The extended acknowledgement's text, if the kernel sends one.
    pub(super) text: Option<&'static str>,
    /// The offending attribute, in bytes from the start of the message.
    pub(super) offset: Option<u32>,
    /// The attribute's policy, if the kernel sends it.
    pub(super) rule: Option<Rule>,
    /// The text for our log.
    pub(super) why: String,
}

impl RequestError {
    /// An error that the kernel explains no further.
    pub(super) fn new(errno: i32, why: impl Into<String>) -> Self {
        Self {
            errno,
            text: None,
            offset: None,
            rule: None,
            why: why.into(),
        }
    }

    /// An error that the kernel explains by a text.
    pub(super) fn with_text(errno: i32, text: &'static str) -> Self {
        Self {
            errno,
            text: Some(text),
            offset: None,
            rule: None,
            why: text.to_owned(),
        }
    }

    /// The same, with the text of an earlier warning where it has none of its own.
    pub(super) fn or_text(mut self, warning: Option<&'static str>) -> Self {
        self.text = self.text.or(warning);
        self
    }

    /// A violation of a policy in attributes that start `base` bytes into the message.
    pub(super) fn policy(error: &PolicyError, base: usize) -> Self {
        Self {
            errno: error.errno(),
            text: error.message(),
            offset: error
                .attribute_offset()
                .and_then(|at| u32::try_from(base + at).ok()),
            rule: error.rule,
            why: format!("attribute {}: {}", error.attribute, error.kind.message()),
        }
    }
}

impl From<sockvs_ipvs::Error> for RequestError {
    fn from(error: sockvs_ipvs::Error) -> Self {
        Self::new(error.errno(), error.to_string())
    }
}
