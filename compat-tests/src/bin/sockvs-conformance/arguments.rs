//! The command line of `sockvs-conformance`. It only reads it.

use std::path::PathBuf;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Usage: sockvs-conformance [OPTIONS] SCENARIO...

Runs each SCENARIO, a text file of commands, against the kernel's own IPVS and then against sockvs,
in network namespaces of its own, and compares standard output, standard error and exit status of
every step byte for byte. Needs root, a kernel with ip_vs, and no running sockvsd.

  --wrapped            run the second side under `sockvs exec`, not the transparent interceptor
  --socket-options     take generic netlink from the clients of both sides, so that they use the
                       socket options of IPVS; implies --wrapped
  --proc               let the daemon answer for the files of IPVS in /proc, too; implies --wrapped
  --only NAME          only this scenario (its file's name without .txt); may be repeated
  --kernel-only FILE   only ask the kernel, and write down what it says
  --sockvs-only FILE   only ask sockvs, and write down what it says (needs no ip_vs)
  -h, --help           this page

Exit status: 0 if nothing differs, 1 if something does, 2 if it could not be found out.
";

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Only print [`HELP`].
    pub(crate) help: bool,
    /// Sockvs' side runs under `sockvs exec`.
    pub(crate) wrapped: bool,
    /// The clients have no generic netlink.
    pub(crate) socket_options: bool,
    /// The daemon answers for files in /proc.
    pub(crate) proc: bool,
    /// The scenarios to run; all if there is none.
    pub(crate) only: Vec<String>,
    /// Where to write what the kernel says, and no more than that.
    pub(crate) kernel_only: Option<PathBuf>,
    /// Where to write what sockvs says, and no more than that.
    pub(crate) sockvs_only: Option<PathBuf>,
    /// The files with scenarios.
    pub(crate) files: Vec<PathBuf>,
}

impl Arguments {
    /// Reads the words that follow the program's name.
    ///
    /// # Errors
    ///
    /// A line that says what is wrong with them.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} wants a value"));
            match word.as_str() {
                "-h" | "--help" => arguments.help = true,
                "--wrapped" => arguments.wrapped = true,
                "--socket-options" => {
                    arguments.socket_options = true;
                    arguments.wrapped = true;
                }
                "--proc" => {
                    arguments.proc = true;
                    arguments.wrapped = true;
                }
                "--only" => arguments.only.push(value()?),
                "--kernel-only" => arguments.kernel_only = Some(value()?.into()),
                "--sockvs-only" => arguments.sockvs_only = Some(value()?.into()),
                option if option.starts_with('-') => {
                    return Err(format!("there is no option {option}; see --help"));
                }
                file => arguments.files.push(file.into()),
            }
        }
        if arguments.files.is_empty() && !arguments.help {
            return Err("no scenarios given; see --help".to_owned());
        }
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, PathBuf};

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn options_and_files_may_be_mixed() {
        let arguments = parse("--wrapped a.txt --only a --only b b.txt").unwrap();
        assert!(arguments.wrapped);
        assert_eq!(arguments.only, ["a", "b"]);
        assert_eq!(arguments.files, ["a.txt", "b.txt"].map(PathBuf::from));
    }

    #[test]
    fn what_only_the_wrapper_offers_implies_it() {
        let arguments = parse("--socket-options a.txt").unwrap();
        assert!(arguments.socket_options && arguments.wrapped && !arguments.proc);
        let arguments = parse("--proc a.txt").unwrap();
        assert!(arguments.proc && arguments.wrapped && !arguments.socket_options);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(parse("--only").is_err());
        assert!(parse("--verbose a.txt").is_err());
        assert!(parse("--wrapped").is_err());
    }
}
