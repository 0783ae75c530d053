//! Scenarios: text files of commands. Of their commands, only
//! those that tell whether the scenario makes sense here are run here.
//!
//! | line | meaning |
//! | --- | --- |
//! | empty, or `# …` | nothing |
//! | `mask NAME` | a rule of [`Mask`] holds for the answers of the whole scenario |
//! | `needs COMMAND` | the scenario is left out, and reported, where this command fails |
//! | `setup COMMAND` | is run in both namespaces and must succeed; its answer is not compared |
//! | any other | a step: the shell runs it, and its answers are compared |

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::mask::Mask;

/// A scenario.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// The file's name, without its ending.
    pub(crate) name: String,
    /// What may differ.
    pub(crate) masks: Vec<Mask>,
    /// What must succeed for the scenario to make sense here.
    pub(crate) needs: Vec<String>,
    /// What is done, in this order.
    pub(crate) lines: Vec<Line>,
}

/// A command for the shell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// One that prepares something.
    Setup(String),
    /// One that is compared.
    Step(String),
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read or has a line that cannot be understood; the text says which.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let problem = |problem: String| format!("{}: {problem}", path.display());
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
        Self::parse(&name, &text).map_err(problem)
    }

    /// Understands a file's text.
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut scenario = Self {
            name: name.to_owned(),
            masks: Vec::new(),
            needs: Vec::new(),
            lines: Vec::new(),
        };
        for (at, line) in text.lines().map(str::trim_end).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix("mask ") {
                let mask = Mask::from_name(name)
                    .ok_or_else(|| format!("line {}: there is no mask {name:?}", at + 1))?;
                scenario.masks.push(mask);
            } else if let Some(command) = line.strip_prefix("needs ") {
                scenario.needs.push(command.to_owned());
            } else if let Some(command) = line.strip_prefix("setup ") {
                scenario.lines.push(Line::Setup(command.to_owned()));
            } else {
                scenario.lines.push(Line::Step(line.to_owned()));
            }
        }
        if scenario.steps().next().is_none() {
            return Err("there is no step in it".to_owned());
        }
        Ok(scenario)
    }

    /// What it needs and this machine does not have.
    pub(crate) fn lacks(&self) -> Option<&str> {
        let lacking = self.needs.iter().find(|need| {
            let mut shell = Command::new("sh");
            let status = shell.args(["-c", need]).stdout(Stdio::null()).status();
            !status.is_ok_and(|status| status.success())
        });
        lacking.map(String::as_str)
    }

    /// The commands that are compared.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| match line {
            Line::Setup(_) => None,
            Line::Step(command) => Some(command.as_str()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Mask, Scenario};

    #[test]
    fn each_kind_of_line() {
        let text =
            "# why\n\nmask service-order\nneeds false\nsetup ip link\nipvsadm -Ln; echo \"a  b\"\n";
        let scenario = Scenario::parse("x", text).unwrap();
        assert_eq!(scenario.masks, [Mask::ServiceOrder]);
        assert_eq!(scenario.lacks(), Some("false"));
        assert_eq!(scenario.lines[0], Line::Setup("ip link".to_owned()));
        assert_eq!(
            scenario.steps().collect::<Vec<_>>(),
            ["ipvsadm -Ln; echo \"a  b\""]
        );
    }

    #[test]
    fn unknown_masks_and_empty_scenarios_are_refused() {
        assert!(Scenario::parse("x", "mask everything\nipvsadm -Ln").is_err());
        assert!(Scenario::parse("x", "setup true").is_err());
    }
}
