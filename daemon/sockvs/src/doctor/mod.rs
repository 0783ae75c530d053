//! What this machine allows, what sockvs makes of it, and what to do about what is missing.
//!
//! Looks and tries, but changes nothing: programs are loaded and dropped again, and nothing is
//! pinned. Only the netlink hook is attached for a moment, for no namespace: kernels may load it
//! and yet not run it.

mod checks;

use std::{fmt, path::Path};

use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Good,
    /// It works, but something is to be said about it.
    Note,
    /// sockvs does not work like this.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it came out.
    pub outcome: Outcome,
    /// What was found.
    pub found: String,
    /// What to do, where something can be done.
    pub advice: Option<String>,
}

impl Check {
    fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            outcome: Outcome::Good,
            found: found.into(),
            advice: None,
        }
    }

    fn note(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let advice = Some(advice.into());
        Self {
            name,
            outcome: Outcome::Note,
            found: found.into(),
            advice,
        }
    }

    fn missing(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let advice = Some(advice.into());
        Self {
            name,
            outcome: Outcome::Missing,
            found: found.into(),
            advice,
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.outcome {
            Outcome::Good => "ok     ",
            Outcome::Note => "note   ",
            Outcome::Missing => "MISSING",
        };
        write!(f, "{mark}  {:<11} {}", self.name, self.found)?;
        if let Some(advice) = &self.advice {
            write!(f, "\n                      -> {advice}")?;
        }
        Ok(())
    }
}

/// Looks at everything.
#[must_use]
pub fn examine(control_socket: &Path) -> Vec<Check> {
    vec![
        checks::kernel(),
        checks::capabilities(),
        checks::cgroup2(),
        checks::bpffs(),
        checks::programs(),
        checks::netlink_hook(),
        checks::seccomp(),
        checks::kernel_ipvs(),
        checks::daemon(control_socket),
    ]
}
