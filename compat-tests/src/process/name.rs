//! Names for what tests make outside of any folder of their own.

use std::sync::atomic::{AtomicU32, Ordering};

/// A name that nothing else on this machine has.
#[must_use]
pub fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("sockvs-test-{}-{number}", std::process::id())
}
