//! No balancing at all: the client knows the servers.

use super::balancer::{Balancer, Guard, Refusal};
use crate::{
    lab::Lab,
    services::{Aim, Services},
};

pub(super) const NAME: &str = "direct";

pub(super) struct Direct;

impl Balancer for Direct {
    fn name(&self) -> &'static str {
        NAME
    }

    fn balance(&self, _lab: &Lab, _services: Services) -> Result<Guard, Refusal> {
        Ok(Box::new(()))
    }

    fn aim(&self, _services: Services) -> Aim {
        Aim::SERVERS
    }
}
