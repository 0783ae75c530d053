//! What comes of a command.

/// Nothing, or what was in its way.
pub(super) type Outcome = Result<(), Box<dyn std::error::Error>>;
