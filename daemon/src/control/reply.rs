//! What is answered to a request. Who asks, and how, is not looked at here.

use std::fmt;

use serde_json::json;

use super::{Facts, Status, request::Request};
use crate::{
    connections::Told,
    family::{Server, Table},
    ipvs::{Namespace, Setting, Usage},
    journal::{Author, Subject},
    procfs::Place,
};

/// The line of JSON for a request; none is one that nobody understands. It is about the namespace of
/// whoever asks.
pub(super) fn to(
    request: Option<Request>,
    author: Author,
    facts: &Facts,
    server: &Server,
    maps: &dyn Fn() -> Vec<Usage>,
) -> serde_json::Result<String> {
    let ns = author.namespace;
    match request {
        Some(Request::Status) => serde_json::to_string(&Status::now(facts, server, maps())),
        Some(Request::Connections) => {
            let connections = server.table().path.connections();
            let told: Vec<_> = connections.iter().map(Told::of).collect();
            serde_json::to_string(&told)
        }
        Some(Request::File(file)) => text(Ok(Place::File(file).text(server, ns))),
        Some(Request::Setting(setting, None)) => text(Ok(shown(server, ns, setting))),
        Some(Request::Setting(setting, Some(given))) => {
            let changed = change(server, author, setting, &given);
            text(changed.map(|()| shown(server, ns, setting)))
        }
        None => text(Err("unknown request".to_owned())),
    }
}

/// A setting's text, without the line's end.
fn shown(server: &Server, ns: Namespace, setting: Setting) -> String {
    let text = Place::Setting(setting).text(server, ns);
    text.trim_end().to_owned()
}

fn change(server: &Server, author: Author, setting: Setting, given: &str) -> Result<(), String> {
    let mut serving = server.table();
    let Table { ipvs, path } = &mut *serving;
    ipvs.changing(author.namespace, author.owner, path.as_mut())
        .map_err(|error| error.to_string())?
        .set_setting(setting, given, path.as_mut())
        .map_err(|error| error.to_string())?;
    drop(serving);
    let what = Assignment(setting, given);
    server.journal().changed(author, &what, Subject::default());
    Ok(())
}

/// A setting and what was given, for the log.
struct Assignment<'a>(Setting, &'a str);

impl fmt::Debug for Assignment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?}", self.0.name(), self.1)
    }
}

/// A text, or why there is none.
fn text(result: Result<String, String>) -> serde_json::Result<String> {
    serde_json::to_string(&match result {
        Ok(text) => json!({ "text": text }),
        Err(error) => json!({ "error": error }),
    })
}
