//! Ctrl-C and friends: whatever is measured ends, and all that was made for it goes.

use std::{
    io,
    process::{Child, ExitStatus},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

static REQUESTED: AtomicBool = AtomicBool::new(false);
/// The program that is waited for.
static AWAITED: Mutex<Option<Pid>> = Mutex::new(None);

/// The measurement was interrupted.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Takes note of signals from now on. A program that is waited for ends by them.
pub(crate) fn watch() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for _ in signals.forever() {
            REQUESTED.store(true, Ordering::Relaxed);
            let awaited = AWAITED.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(program) = *awaited {
                // It may have ended by the same signal.
                let _ = kill(program, Signal::SIGTERM);
            }
        }
    });
    // What fails because of the same signal need not be told.
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !requested() {
            tell(panic);
        }
    }));
    Ok(())
}

/// Waits for a program.
pub(crate) fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let note = |pid| *AWAITED.lock().unwrap_or_else(PoisonError::into_inner) = pid;
    note(Some(Pid::from_raw(pid)));
    let ended = child.wait();
    note(None);
    ended
}

/// Whether to end.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Ends the measurement if that was asked for.
pub(crate) fn check() -> Result<(), Interrupted> {
    if requested() {
        Err(Interrupted)
    } else {
        Ok(())
    }
}
