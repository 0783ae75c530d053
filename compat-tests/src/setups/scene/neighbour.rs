//! A keepalived on the machine of a real server. It balances nothing: others watch whether it is
//! heard.

use super::files::write_configuration;
use crate::{
    clients::{
        client::Client,
        keepalived::{Keepalived, Parts},
    },
    environment::{folder::Folder, intercept::Intercept, place::Place},
    servers::host::Host,
};

/// A keepalived on another machine. The order of the fields is the order in which they go.
#[derive(Debug)]
pub struct Neighbour {
    _keepalived: Keepalived,
    _folder: Folder,
}

impl Neighbour {
    /// Starts one on this machine, with a configuration of the folder `keepalived`.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(host: &Host, configuration: &str) -> Self {
        let folder = Folder::new();
        let file = write_configuration(&folder, configuration);
        // No daemon serves that machine.
        let place = Place::new(host.namespace());
        let client = Client::new(place, folder.path().join("none"), Intercept::Bpf);
        let keepalived = Keepalived::start_from(&client, folder.path(), &file, Parts::All);
        Self {
            _keepalived: keepalived,
            _folder: folder,
        }
    }
}
