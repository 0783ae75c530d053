//! Numbers that environment variables set, as the table in `lib.rs` lists them.

use std::{env, str::FromStr};

/// The number in a variable, if it is set.
///
/// # Panics
///
/// When it is set to something else.
#[must_use]
#[track_caller]
pub fn number<T: FromStr>(variable: &str) -> Option<T> {
    let text = env::var(variable).ok()?;
    let number = text.parse().ok();
    assert!(number.is_some(), "{variable} is {text:?}, not a number");
    number
}
