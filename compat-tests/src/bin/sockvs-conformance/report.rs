//! Comparing the answers of both sides, and telling what differs.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use crate::{mask::Mask, run::Answer, scenario::Scenario};

/// How many lines of a long text are shown, from shortly before the first difference on.
const SHOWN: usize = 12;
const BEFORE: usize = 2;

/// The outcome of all scenarios.
#[derive(Debug, Default)]
pub(crate) struct Report {
    scenarios: usize,
    steps: usize,
    differ: usize,
    masked: BTreeSet<(Mask, String)>,
}

impl Report {
    /// Compares a scenario's answers; gives a description of each step in which they differ.
    pub(crate) fn compare(
        &mut self,
        scenario: &Scenario,
        kernel: &[Answer],
        ours: &[Answer],
    ) -> Vec<String> {
        self.scenarios += 1;
        for mask in &scenario.masks {
            self.masked.insert((*mask, scenario.name.clone()));
        }
        let mut differences = Vec::new();
        let answers = kernel.iter().zip(ours);
        for (number, (step, (kernel, ours))) in scenario.steps().zip(answers).enumerate() {
            self.steps += 1;
            let (kernel, ours) = (masked(scenario, kernel), masked(scenario, ours));
            if kernel != ours {
                self.differ += 1;
                let heading = format!("{}, step {}: {step}", scenario.name, number + 1);
                differences.push(describe(&heading, &kernel, &ours));
            }
        }
        differences
    }

    /// Whether every answer was the same.
    pub(crate) fn is_clean(&self) -> bool {
        self.differ == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (mask, scenario) in &self.masked {
            writeln!(f, "masked: {} in {scenario}", mask.name())?;
        }
        let Self {
            scenarios,
            steps,
            differ,
            ..
        } = self;
        write!(
            f,
            "conformance: {scenarios} scenarios, {steps} steps, {differ} differ"
        )
    }
}

/// What is compared of an answer.
fn masked(scenario: &Scenario, answer: &Answer) -> Answer {
    let mut answer = answer.clone();
    for mask in &scenario.masks {
        answer.stdout = mask.apply(&answer.stdout).into_owned();
    }
    answer
}

/// What differs, with both sides.
fn describe(heading: &str, kernel: &Answer, ours: &Answer) -> String {
    let mut text = format!("differs: {heading}\n");
    if kernel.status != ours.status {
        let (kernel, ours) = (kernel.ending(), ours.ending());
        let _ = writeln!(text, "  kernel: {kernel}\n  sockvs: {ours}");
    }
    for (name, kernel, ours) in [
        ("stdout", &kernel.stdout, &ours.stdout),
        ("stderr", &kernel.stderr, &ours.stderr),
    ] {
        if kernel == ours {
            continue;
        }
        let (kernel, ours) = (lines(kernel), lines(ours));
        let same = kernel.iter().zip(&ours).take_while(|(a, b)| a == b).count();
        for (who, lines) in [("kernel", kernel), ("sockvs", ours)] {
            let _ = writeln!(text, "  {name} of {who}, from line {}:", start(same) + 1);
            for line in lines.iter().skip(start(same)).take(SHOWN) {
                let _ = writeln!(text, "    |{line}");
            }
            if lines.len() > start(same) + SHOWN {
                let _ = writeln!(text, "    … of {} lines", lines.len());
            }
        }
    }
    text
}

fn start(same: usize) -> usize {
    same.saturating_sub(BEFORE)
}

/// The lines of a text; what cannot be printed is written as an escape sequence.
fn lines(text: &[u8]) -> Vec<String> {
    text.split_inclusive(|byte| *byte == b'\n')
        .map(|line| match line.strip_suffix(b"\n") {
            Some(line) => line.escape_ascii().to_string(),
            None => format!("{} (no newline)", line.escape_ascii()),
        })
        .collect()
}

/// Everything that one side said, to read.
pub(crate) fn record(scenario: &Scenario, answers: &[Answer]) -> String {
    let mut text = format!("### {}\n", scenario.name);
    for (number, (step, answer)) in scenario.steps().zip(answers).enumerate() {
        let _ = writeln!(text, "[{}] $ {step}", number + 1);
        for (start, output) in [("", &answer.stdout), ("! ", &answer.stderr)] {
            for line in lines(output) {
                let _ = writeln!(text, "{start}{line}");
            }
        }
        if !answer.status.success() {
            let _ = writeln!(text, "({})", answer.ending());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

    use super::{Answer, Report, Scenario};
    use crate::scenario::Line;

    fn scenario() -> Scenario {
        Scenario {
            name: "x".to_owned(),
            masks: Vec::new(),
            needs: Vec::new(),
            lines: vec![Line::Step("ipvsadm -Ln".to_owned())],
        }
    }

    fn answer(stdout: &str, stderr: &str, code: i32) -> Answer {
        Answer {
            stdout: stdout.into(),
            stderr: stderr.into(),
            status: ExitStatus::from_raw(code << 8),
        }
    }

    #[test]
    fn the_same_answer_is_no_difference() {
        let (mut report, both) = (Report::default(), [answer("a\nb\n", "c", 1)]);
        assert!(report.compare(&scenario(), &both, &both).is_empty());
        assert!(report.is_clean());
        assert_eq!(
            report.to_string(),
            "conformance: 1 scenarios, 1 steps, 0 differ"
        );
    }

    #[test]
    fn every_byte_counts() {
        let kernel = [answer("a\nb\n", "c", 1)];
        for ours in [
            answer("a\nB\n", "c", 1),
            answer("a\nb", "c", 1),
            answer("a\nb\n", "", 1),
            answer("a\nb\n", "c", 0),
        ] {
            let mut report = Report::default();
            let differences = report.compare(&scenario(), &kernel, &[ours]);
            assert!(differences[0].contains("x, step 1: ipvsadm -Ln"));
            assert!(!report.is_clean());
        }
    }
}
