//! Chooses the interceptor for the clients, with a reason.

use clap::ValueEnum;

use sockvs_intercept_bpf::{self as bpf, Hook, Scope};

/// The interceptor option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Intercept {
    /// The best one that this kernel supports: bpf if possible.
    Auto,
    /// Requests of every client, by an eBPF program in the kernel.
    Bpf,
    /// Only requests of commands that `sockvs exec` runs.
    Seccomp,
}

/// The chosen interceptor. Commands that `sockvs exec` runs are served in any case.
pub struct Choice {
    /// The hook that serves all other clients, if it is used.
    pub hook: Option<Hook>,
    /// The reason for the choice.
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

/// Chooses the interceptor. Nothing is attached yet.
///
/// # Errors
///
/// When the hook was requested and this kernel does not support it.
pub fn choose(asked: Intercept, scope: Scope) -> Result<Choice, bpf::Error> {
    let wrapped = "requests come from commands that run under sockvs exec";
    let load = || {
        // The kernel may load a program but not be able to run it.
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
