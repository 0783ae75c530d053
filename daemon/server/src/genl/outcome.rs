//! The result of a message, before it is encoded as replies.

use super::dump::Dump;

/// The result of a message that was executed.
pub(super) enum Outcome {
    /// Only the acknowledgement, with a warning if there is one.
    Done(Option<&'static str>),
    /// One reply, and then the acknowledgement, with a warning if there is one.
    Reply(Vec<u8>, Option<&'static str>),
    /// A dump, whose end is the acknowledgement.
    Dump(Dump),
}
