//! The files of scenarios: configurations, and the states that they lead to.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::environment::folder::Folder;

/// Where the configurations, their states and their scripts are.
const CONFIGURATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/keepalived");

/// A file of the folder with the configurations.
fn scenario_file(name: &str) -> String {
    let file = Path::new(CONFIGURATIONS).join(name);
    fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()))
}

/// Writes a configuration that knows where this scene's files (`$DIR`) and the scripts (`$HERE`)
/// are.
pub(super) fn write_configuration(folder: &Folder, configuration: &str) -> PathBuf {
    let text = scenario_file(&format!("{configuration}.conf"));
    let text = text.replace("$DIR", &folder.path().to_string_lossy());
    folder.write("keepalived.conf", &text.replace("$HERE", CONFIGURATIONS))
}

/// The rules of a state of a configuration.
pub(super) fn rules_of(configuration: &str, state: &str) -> String {
    let file = scenario_file(&format!("{configuration}.rules"));
    let lines = file
        .lines()
        .skip_while(|line| line.strip_prefix("# ") != Some(state));
    let mut lines = lines.peekable();
    assert!(
        lines.peek().is_some(),
        "{configuration}.rules has no state {state:?}"
    );
    let rules = lines.skip(1).take_while(|line| !line.starts_with('#'));
    rules.map(|rule| format!("{rule}\n")).collect()
}
