//! The program's side of a conversation (`clients::conversation`): requests come on the standard
//! input, answers go to the standard output. What a request means is not known here.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    io::{self, Write as _},
    str::FromStr,
};

use nix::errno::Errno;

/// Answers requests, with `handle`, until the standard input ends.
///
/// # Errors
///
/// When the pipes break.
pub fn answer(
    mut handle: impl FnMut(&str, &[&str]) -> Result<Vec<String>, Errno>,
) -> io::Result<()> {
    let mut to = io::stdout().lock();
    for line in io::stdin().lines() {
        let line = line?;
        let mut words: VecDeque<&str> = line.split_whitespace().collect();
        let verb = words.pop_front().unwrap_or_default();
        let mut text = String::new();
        match handle(verb, words.make_contiguous()) {
            Ok(lines) => {
                for line in lines {
                    let _ = writeln!(text, "\t{line}");
                }
                text.push_str("ok\n");
            }
            Err(errno) => {
                let _ = writeln!(text, "errno {}", errno as i32);
            }
        }
        to.write_all(text.as_bytes())?;
        to.flush()?;
    }
    Ok(())
}

/// Reads a word of a request.
///
/// # Errors
///
/// `EINVAL` when it is no such value.
pub fn parse<T: FromStr>(word: &str) -> Result<T, Errno> {
    word.parse().map_err(|_| Errno::EINVAL)
}

/// The errno of an error of the standard library, `EIO` if it has none.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub fn errno(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
