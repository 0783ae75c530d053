//! Builds the reply to a control request. It does not read the socket or check access.

use std::fmt;

use serde_json::json;

use super::{ConnectionEntry, Facts, Request, Status};
use crate::procfs::Place;
use crate::state::{Actor, IpvsState, Object, Tables};
use sockvs_ipvs::{Namespace, Setting, Usage};

/// The line of JSON that replies to a request line; `None` if the line is not a valid request. The
/// reply is about the client's network namespace.
pub fn reply(
    request: Option<Request>,
    actor: Actor,
    facts: &Facts,
    state: &IpvsState,
    maps: &dyn Fn() -> Vec<Usage>,
) -> serde_json::Result<String> {
    let ns = actor.namespace;
    match request {
        Some(Request::Status) => serde_json::to_string(&Status::now(facts, state, maps())),
        Some(Request::Connections) => {
            let connections = state.lock().path.connections();
            let entries: Vec<_> = connections.iter().map(ConnectionEntry::of).collect();
            serde_json::to_string(&entries)
        }
        Some(Request::File(file)) => text(Ok(Place::File(file).text(state, ns))),
        Some(Request::Setting(setting, None)) => text(Ok(shown(state, ns, setting))),
        Some(Request::Setting(setting, Some(given))) => {
            let changed = change(state, actor, setting, &given);
            text(changed.map(|()| shown(state, ns, setting)))
        }
        None => text(Err("unknown request".to_owned())),
    }
}

/// A setting's text, without the newline.
fn shown(state: &IpvsState, ns: Namespace, setting: Setting) -> String {
    let text = Place::Setting(setting).text(state, ns);
    text.trim_end().to_owned()
}

fn change(state: &IpvsState, actor: Actor, setting: Setting, given: &str) -> Result<(), String> {
    let mut tables = state.lock();
    let Tables { ipvs, path } = &mut *tables;
    ipvs.changing(actor.namespace, actor.owner, path.as_mut())
        .map_err(|error| error.to_string())?
        .set_setting(setting, given, path.as_mut())
        .map_err(|error| error.to_string())?;
    drop(tables);
    let what = Assignment(setting, given);
    state.audit_log().changed(actor, &what, Object::default());
    Ok(())
}

/// A setting and its new value, for the log.
struct Assignment<'a>(Setting, &'a str);

impl fmt::Debug for Assignment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?}", self.0.name(), self.1)
    }
}

/// A text, or the error that prevented it.
fn text(result: Result<String, String>) -> serde_json::Result<String> {
    serde_json::to_string(&match result {
        Ok(text) => json!({ "text": text }),
        Err(error) => json!({ "error": error }),
    })
}
