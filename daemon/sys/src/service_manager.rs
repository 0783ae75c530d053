//! Telling the service manager how the daemon is: ready, alive, ending (`sd_notify(3)`). Without
//! one that asks for it, nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

/// The daemon serves.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// The daemon ends because it was told to.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

/// The daemon is alive.
pub fn alive() {
    tell(NotifyState::Watchdog);
}

/// How often it is to say that it is alive: twice in the time after which it is taken for dead.
/// None if nobody wants to hear it.
pub fn asks_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager does not listen");
    }
}
