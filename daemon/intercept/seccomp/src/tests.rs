//! Real commands under [`exec`](super::exec()), with a fake daemon behind a real
//! [`Listener`](super::Listener).

mod commands;
mod daemon;
mod datagrams;
mod files;
mod library;
mod options;
mod peers;
mod supervision;
