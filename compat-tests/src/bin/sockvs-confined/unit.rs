//! What a unit's file says.

use std::{fs, io, path::Path};

pub(crate) struct Unit(Vec<(String, String)>);

impl Unit {
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let lines = text.lines().filter(|line| !line.starts_with(['#', '[']));
        let settings = lines.filter_map(|line| line.split_once('='));
        let owned = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Ok(Self(owned.collect()))
    }

    /// The values of a key, in order.
    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let settings = self.0.iter().filter(move |(known, _)| known == key);
        settings.map(|(_, value)| value.as_str())
    }

    pub(crate) fn says(&self, key: &str, value: &str) -> bool {
        self.all(key).last() == Some(value)
    }
}
