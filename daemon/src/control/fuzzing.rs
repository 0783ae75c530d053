//! What clients say and are told, without a socket in between. For the fuzz targets.

use super::{Facts, reply, request::Request};
use crate::{
    family::Server,
    ipvs::{Namespace, Owner},
    journal::Author,
};

/// The line that asks the same as this one, if it asks anything.
#[must_use]
pub fn same_line(line: &str) -> Option<String> {
    Request::of(line).map(|request| request.line())
}

/// What the daemon answers to a line from this namespace.
///
/// # Errors
///
/// When the answer is no JSON.
pub fn answer(
    line: &str,
    ns: Namespace,
    facts: &Facts,
    server: &Server,
) -> serde_json::Result<String> {
    let author = Author {
        pid: 0,
        namespace: ns,
        owner: Owner::Host,
    };
    reply::to(Request::of(line), author, facts, server, &Vec::new)
}
