//! Reports the daemon's state to the service manager: ready, alive, stopping (`sd_notify(3)`).
//! Without a service manager that requests it, this does nothing.

use std::time::Duration;

use sd_notify::NotifyState;

/// Reports that the daemon serves.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// Reports that the daemon stops.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

/// Reports that the daemon is alive (watchdog).
pub fn alive() {
    tell(NotifyState::Watchdog);
}

/// How often to call [`alive`]: twice per watchdog timeout. `None` if the watchdog is off.
pub fn asks_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager does not listen");
    }
}
