//! Leaving nothing behind, also when a test fails halfway.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Cleans something up when it is dropped. A test that leaves something behind has failed, but a
/// test that fails already shall show its own reason: then this only says so.
pub(crate) fn clean_up(clean: impl FnOnce() -> Result<(), String>) {
    let problem = match catch_unwind(AssertUnwindSafe(clean)) {
        Ok(Ok(())) => return,
        Ok(Err(problem)) => problem,
        Err(_) => "something, as cleaning it up failed".to_owned(),
    };
    if std::thread::panicking() {
        eprintln!("left behind: {problem}");
    } else {
        panic!("left behind: {problem}");
    }
}
