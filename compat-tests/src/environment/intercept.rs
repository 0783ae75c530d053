//! Which of the product's interceptors a run of the tests uses. It starts nothing.

use std::env;

/// How requests reach the daemon in this run of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intercept {
    /// From clients that run under `sockvs exec`.
    Seccomp,
    /// From all clients.
    Bpf,
}

impl Intercept {
    /// What `SOCKVS_TEST_INTERCEPT` says.
    ///
    /// # Panics
    ///
    /// When it says something else.
    #[must_use]
    pub fn chosen() -> Self {
        match env::var("SOCKVS_TEST_INTERCEPT").as_deref() {
            Err(_) | Ok("" | "seccomp") => Self::Seccomp,
            Ok("bpf") => Self::Bpf,
            Ok(other) => panic!("SOCKVS_TEST_INTERCEPT is {other:?}, neither seccomp nor bpf"),
        }
    }

    /// The daemon's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Seccomp => "seccomp",
            Self::Bpf => "bpf",
        }
    }
}
