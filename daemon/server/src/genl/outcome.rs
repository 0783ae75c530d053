//! What comes of a message, before it is put into replies.

use super::dump::Dump;

/// What the family answers to a message that it carries out.
pub(super) enum Outcome {
    /// Nothing but the acknowledgement, with a warning where there is one.
    Done(Option<&'static str>),
    /// One reply, and then the acknowledgement, with a warning where there is one.
    Reply(Vec<u8>, Option<&'static str>),
    /// A list, which is its own acknowledgement.
    Dump(Dump),
}
