//! Real clients against a real sockvs: what the tests in `tests/` are written with.
//!
//! A [`Testbed`] is a small world of a test's own: a network namespace, a cgroup, a folder and a
//! [`Daemon`]. In it run IPVS clients ([`Client`]), [`Server`]s, and an [`Application`] that
//! connects to them. All of it is gone when the test ends, however it ends.
//!
//! Nothing here shares code with the product: what is tested is what other people's programs see.
//!
//! The environment says how the tests run:
//!
//! | variable | meaning |
//! | --- | --- |
//! | `SOCKVS_TEST_INTERCEPT` | `seccomp` (as without it): clients run under `sockvs exec`; `bpf`: as they are |
//! | `SOCKVS_BIN_DIR` | where `sockvsd`, `sockvs` and the programs of this package are |
//! | `SOCKVS_TEST_KEEPALIVED` | the keepalived of the scenarios, if not the one on `PATH`: a name or a path |
//! | `SOCKVS_TEST_PYTHON` | a Python with pyroute2, if not the one that `scripts/setup` makes |
//! | `SOCKVS_TEST_CONNECTIONS`, `SOCKVS_TEST_SEED` | how many connections `counters` makes, and which |
//! | `SOCKVS_TEST_KILLS`, `SOCKVS_TEST_SOAK` | how often `kills` kills the daemon, for how many minutes `soak` lasts |
//! | `SOCKVS_TEST_CYCLES`, `SOCKVS_TEST_OPEN`, `SOCKVS_TEST_FLOWS` | how many sockets `census` makes and ends, how many connections and flows `many_connections` holds |
//! | `SOCKVS_TEST_SECONDS` | for how long `load` has clients edit at once |
//! | `SOCKVS_TEST_STATIC_CLIENT` | the program `static/client.c`, statically linked, where there is no gcc |

pub mod application;
pub mod binaries;
pub mod bpf_objects;
pub mod bystander;
pub mod census;
pub mod cgroup;
pub mod client;
pub mod conversation;
pub mod daemon;
pub mod datagram_server;
pub mod dns;
pub mod dual_stack;
pub mod eventually;
pub mod folder;
pub mod fuse;
pub mod host;
pub mod ipvs_clients;
pub mod keepalived;
pub mod ledger;
mod leftovers;
pub mod listing;
pub mod name;
pub mod namespace;
pub mod neli_client;
pub mod pinned_map;
pub mod place;
pub mod program;
pub mod random;
pub mod raw_client;
pub mod room;
pub mod root;
pub mod rule;
pub mod scene;
pub mod server;
pub mod socket_load;
pub mod static_client;
pub mod stepper;
pub mod testbed;
pub mod tls_server;
pub mod traffic;
pub mod turn;
pub mod unconnected;
pub mod user;
pub mod vitals;
pub mod wire;

pub use application::Application;
pub use bystander::Bystander;
pub use census::Census;
pub use cgroup::Cgroup;
pub use client::{Client, Intercept};
pub use conversation::Conversation;
pub use daemon::Daemon;
pub use datagram_server::DatagramServer;
pub use folder::Folder;
pub use fuse::StuckFile;
pub use host::Host;
pub use ipvs_clients::IpvsClient;
pub use keepalived::Keepalived;
pub use ledger::Ledger;
pub use namespace::Namespace;
pub use place::Place;
pub use program::Outcome;
pub use raw_client::RawClient;
pub use scene::{Balancer, Scene};
pub use server::{Server, Talk};
pub use socket_load::SocketLoad;
pub use stepper::Stepper;
pub use testbed::Testbed;
pub use tls_server::TlsServer;
pub use traffic::Traffic;
pub use turn::Turn;
pub use vitals::Vitals;
