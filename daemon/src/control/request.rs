//! What can be asked, as the line that asks it.

use crate::{
    ipvs::{Namespace, Setting},
    procfs::File,
};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// The daemon's status.
    Status,
    /// What a file says in a network namespace.
    File(Namespace, File),
    /// A setting of a network namespace, after it was changed to the text if there is one.
    Setting(Namespace, Setting, Option<String>),
}

impl Request {
    /// The line, without its end.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Status => "status".to_owned(),
            Self::File(ns, file) => format!("file {} {}", ns.0, file.name()),
            Self::Setting(ns, setting, None) => format!("setting {} {}", ns.0, setting.name()),
            Self::Setting(ns, setting, Some(text)) => {
                format!("setting {} {} {text}", ns.0, setting.name())
            }
        }
    }

    /// The request of a line, if it is one.
    pub(super) fn of(line: &str) -> Option<Self> {
        let line = line.trim_end_matches('\n');
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next();
        let (verb, ns, name, text) = (word()?, word(), word(), word());
        let ns = ns.and_then(|cookie| cookie.parse().ok().map(Namespace));
        match (verb, ns, name, text) {
            ("status", None, None, None) => Some(Self::Status),
            ("file", Some(ns), Some(name), None) => Some(Self::File(ns, File::from_name(name)?)),
            ("setting", Some(ns), Some(name), text) => {
                let setting = Setting::from_name(name)?;
                Some(Self::Setting(ns, setting, text.map(str::to_owned)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_the_way() {
        let ns = Namespace(7);
        for request in [
            Request::Status,
            Request::File(ns, File::Connections),
            Request::Setting(ns, Setting::ConnReuseMode, None),
            Request::Setting(ns, Setting::SyncThreshold, Some("3 50".to_owned())),
            Request::Setting(ns, Setting::SyncThreshold, Some(String::new())),
        ] {
            let line = request.line() + "\n";
            assert_eq!(Request::of(&line), Some(request), "{line}");
        }
    }

    #[test]
    fn nonsense_is_none() {
        for line in [
            "",
            "file",
            "file 7 tcp",
            "file x ip_vs",
            "setting 7",
            "setting 7 nosuch",
        ] {
            assert_eq!(Request::of(line), None, "{line}");
        }
    }
}
