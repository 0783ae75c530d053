//! Checks what this machine supports, which interceptor sockvs would use, and how to fix what is
//! missing.
//!
//! Nothing is changed: programs are loaded and unloaded again, and nothing is pinned. Only the
//! netlink hook is attached for a moment, for no namespace: some kernels load it but cannot run it.

mod checks;

use std::{fmt, path::Path};

use serde::Serialize;

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything is as required.
    Good,
    /// It works, with a remark.
    Note,
    /// sockvs does not work like this.
    Missing,
}

/// The result of one check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// The name of what was checked.
    pub name: &'static str,
    /// The outcome.
    pub outcome: Outcome,
    /// What was found.
    pub found: String,
    /// What to do, if anything.
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

/// Runs all checks.
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
