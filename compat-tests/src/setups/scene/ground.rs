//! What a scene is built on: a machine whose connections the kernel's own IPVS balances, or sockvs.

use super::balancer::Balancer;
use crate::{
    clients::{application::Application, client::Client},
    environment::{folder::Folder, intercept::Intercept, namespace::Namespace, place::Place},
    setups::testbed::Testbed,
};

/// The addresses of services. They are addresses of the machine, without which the kernel's IPVS
/// has nothing to balance there.
const SERVICES: &str = "
    address add 10.9.0.1/16 dev lo
    address add fd00:9::1/128 dev lo nodad
";

/// What a scene is built on.
#[derive(Debug)]
pub(super) enum Ground {
    Kernel {
        namespace: Namespace,
        folder: Folder,
    },
    Sockvs(Box<Testbed>),
}

impl Ground {
    pub(super) fn new(balancer: Balancer) -> Self {
        let ground = match balancer {
            Balancer::Kernel => Self::Kernel {
                namespace: Namespace::new(),
                folder: Folder::new(),
            },
            Balancer::Sockvs => Self::Sockvs(Box::default()),
        };
        ground.namespace().ip_batch(SERVICES);
        ground
    }

    /// An application and IPVS clients.
    pub(super) fn people(&self) -> (Application, Client) {
        match self {
            Self::Kernel { namespace, folder } => {
                let place = Place::new(namespace);
                let application = Application::start(&place, folder);
                // Without a daemon there is no socket.
                let client = Client::new(place, folder.path().join("none"), Intercept::Bpf);
                (application, client)
            }
            Self::Sockvs(testbed) => (testbed.application(), testbed.client_in(&testbed.namespace)),
        }
    }

    pub(super) fn namespace(&self) -> &Namespace {
        match self {
            Self::Kernel { namespace, .. } => namespace,
            Self::Sockvs(testbed) => &testbed.namespace,
        }
    }

    pub(super) fn folder(&self) -> &Folder {
        match self {
            Self::Kernel { folder, .. } => folder,
            Self::Sockvs(testbed) => &testbed.folder,
        }
    }
}
