//! Control requests, encoded as one line each.

use crate::procfs::File;
use sockvs_ipvs::Setting;

/// A request. It is about the network namespace of the client's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The daemon's status.
    Status,
    /// The open connections of all namespaces.
    Connections,
    /// The contents of a file.
    File(File),
    /// The value of a setting; with a text, the setting is first changed to it.
    Setting(Setting, Option<String>),
}

impl Request {
    /// Encodes the request as a line, without the newline.
    pub fn line(&self) -> String {
        match self {
            Self::Status => "status".to_owned(),
            Self::Connections => "connections".to_owned(),
            Self::File(file) => format!("file {}", file.name()),
            Self::Setting(setting, None) => format!("setting {}", setting.name()),
            Self::Setting(setting, Some(text)) => format!("setting {} {text}", setting.name()),
        }
    }

    /// Decodes a line; `None` if it is not a valid request.
    pub fn of(line: &str) -> Option<Self> {
        let mut words = line.trim_end_matches('\n').splitn(3, ' ');
        match (words.next()?, words.next(), words.next()) {
            ("status", None, None) => Some(Self::Status),
            ("connections", None, None) => Some(Self::Connections),
            ("file", Some(name), None) => File::from_name(name).map(Self::File),
            ("setting", Some(name), text) => {
                let setting = Setting::from_name(name)?;
                Some(Self::Setting(setting, text.map(str::to_owned)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_decoded_as_it_was_encoded() {
        for request in [
            Request::Status,
            Request::Connections,
            Request::File(File::Connections),
            Request::Setting(Setting::ConnReuseMode, None),
            Request::Setting(Setting::SyncThreshold, Some("3 50".to_owned())),
            Request::Setting(Setting::SyncThreshold, Some(String::new())),
        ] {
            let line = request.line() + "\n";
            assert_eq!(Request::of(&line), Some(request), "{line}");
        }
    }

    #[test]
    fn invalid_lines_are_not_requests() {
        for line in [
            "",
            "file",
            "file tcp",
            "file ip_vs 7",
            "setting",
            "setting nosuch",
        ] {
            assert_eq!(Request::of(line), None, "{line}");
        }
    }
}
