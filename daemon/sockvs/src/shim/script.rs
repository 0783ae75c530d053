//! The text of a shim.

use std::{fmt, path::PathBuf};

/// The maximum size of a shim.
pub(super) const LONGEST: u64 = 16 << 10;

const HEAD: &str =
    "#!/bin/sh\n# Made by `sockvs shim install`; `sockvs shim remove` takes it away.\n";
/// Precedes the program's path, which `list` and the like read.
const FOR: &str = "# It stands for: ";

/// What a shim runs.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) sockvs: String,
    pub(super) socket: Option<String>,
    pub(super) program: String,
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sockvs,
            socket,
            program,
        } = self;
        writeln!(f, "{HEAD}{FOR}{}", quoted(program))?;
        write!(f, "exec {}", quoted(sockvs))?;
        if let Some(socket) = socket {
            write!(f, " --socket {}", quoted(socket))?;
        }
        writeln!(f, " exec -- {} \"$@\"", quoted(program))
    }
}

/// The program of a shim; `None` if the text is not a shim.
pub(super) fn program_of(text: &str) -> Option<PathBuf> {
    let line = text.strip_prefix(HEAD)?.lines().next()?;
    let quoted = line
        .strip_prefix(FOR)?
        .strip_prefix('\'')?
        .strip_suffix('\'')?;
    Some(quoted.replace(r"'\''", "'").into())
}

/// Quotes a text as one word for the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shim_is_recognised_by_its_text() {
        for program in ["/usr/sbin/ipvsadm", "/opt/it's here/ipvs adm"] {
            let script = Script {
                sockvs: "/usr/local/bin/sockvs".to_owned(),
                socket: None,
                program: program.to_owned(),
            };
            assert_eq!(program_of(&script.to_string()), Some(program.into()));
        }
    }

    #[test]
    fn other_scripts_are_not_shims() {
        for text in ["", "#!/bin/sh\nexec sockvs exec -- ipvsadm\n", HEAD] {
            assert_eq!(program_of(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_shim_is_one_command() {
        let script = Script {
            sockvs: "/bin/sockvs".to_owned(),
            socket: Some("/run/a b".to_owned()),
            program: "/sbin/ipvsadm".to_owned(),
        };
        let last = script.to_string().lines().last().map(str::to_owned);
        let expected = "exec '/bin/sockvs' --socket '/run/a b' exec -- '/sbin/ipvsadm' \"$@\"";
        assert_eq!(last.as_deref(), Some(expected));
    }
}
