//! Which interceptor serves the clients, and why.

use clap::ValueEnum;

use sockvs_intercept_bpf::{self as bpf, Hook, Scope};

/// How requests reach the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Intercept {
    /// What works best here: bpf if this kernel allows it.
    Auto,
    /// From every client, by an eBPF program in the kernel.
    Bpf,
    /// From the commands that `sockvs exec` runs, only.
    Seccomp,
}

/// What was chosen. Commands that `sockvs exec` runs are served in any case.
pub struct Choice {
    /// The hook that serves all other clients, if it is to be.
    pub hook: Option<Hook>,
    /// Why in this way.
    pub reason: String,
}

impl Choice {
    /// The chosen interceptor's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.hook.is_some() {
            "bpf"
        } else {
            "seccomp"
        }
    }
}

/// Chooses. Nothing is in force yet.
///
/// # Errors
///
/// When the hook was asked for and this kernel does not allow it.
pub fn choose(asked: Intercept, scope: Scope) -> Result<Choice, bpf::Error> {
    let wrapped = "requests come from commands that run under sockvs exec";
    let load = || {
        // The kernel may take a program and yet not run it.
        Hook::probe()?;
        Hook::load(scope)
    };
    let (hook, reason) = match asked {
        Intercept::Seccomp => (None, format!("as asked for; {wrapped}")),
        Intercept::Bpf => (
            Some(load()?),
            "as asked for; requests come from all clients".to_owned(),
        ),
        Intercept::Auto => match load() {
            Ok(hook) => (Some(hook), "requests come from all clients".to_owned()),
            Err(error) => (None, format!("{:#}; {wrapped}", anyhow::Error::from(error))),
        },
    };
    Ok(Choice { hook, reason })
}
