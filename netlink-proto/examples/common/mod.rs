// SPDX-License-Identifier: GPL-2.0-only

//! What the examples share: a client of the family, its failures, and how a service is called.

pub(crate) mod client;
mod failure;
mod service;

pub(crate) use self::{
    client::Client,
    failure::{Failure, exit_code},
    service::{name, nest, sort},
};
