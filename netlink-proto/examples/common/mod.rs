// SPDX-License-Identifier: GPL-2.0-only

//! What the examples share: a client of the family, its errors, and the names of services.

pub(crate) mod client;
mod failure;
mod service;

pub(crate) use self::{
    client::Client,
    failure::{Failure, exit_code},
    service::{name, nest, sort},
};
