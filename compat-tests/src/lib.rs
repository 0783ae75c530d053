//! Real clients against a real sockvs: what the tests in `tests/` are written with.
//!
//! A [`Testbed`] is a small world of a test's own: a network namespace, a cgroup, a folder and a
//! [`Daemon`]. In it run IPVS clients ([`Client`]), [`Server`]s, and an [`Application`] that
//! connects to them. All of it is gone when the test ends, however it ends.
//!
//! Nothing here shares code with the product: what is tested is what other people's programs see.
//!
//! Each folder uses only those above it in this list, and no file is part of a circle:
//!
//! | folder | what is in it |
//! | --- | --- |
//! | [`process`], [`helpers`] | running programs; what the programs of `src/bin` share |
//! | [`environment`] | namespaces, cgroups, folders, users, the daemon |
//! | [`servers`], [`clients`] | what answers connections; IPVS clients and applications |
//! | [`oracle`] | what an outcome is compared with |
//! | [`setups`] | a [`Testbed`], and what is built on one |
//! | [`loads`] | what goes on in a testbed all the while |
//!
//! What tests use by name is re-exported here.
//!
//! The environment says how the tests run:
//!
//! | variable | meaning |
//! | --- | --- |
//! | `SOCKVS_TEST_INTERCEPT` | `seccomp` (default): clients run under `sockvs exec`; `bpf`: plain |
//! | `SOCKVS_BIN_DIR` | where `sockvsd`, `sockvs` and the programs of this package are |
//! | `SOCKVS_TEST_KEEPALIVED` | the keepalived of the scenarios: a name or a path |
//! | `SOCKVS_TEST_PYTHON` | a Python with pyroute2, if not the one that `scripts/setup` makes |
//! | `SOCKVS_TEST_CONNECTIONS` | how many connections `counters` makes |
//! | `SOCKVS_TEST_SEED` | which ones |
//! | `SOCKVS_TEST_KILLS` | how often `killed_at_each_syscall` does that |
//! | `SOCKVS_TEST_SOAK` | for how many minutes `soak` lasts |
//! | `SOCKVS_TEST_CYCLES` | how many sockets `census` makes and ends |
//! | `SOCKVS_TEST_OPEN`, `SOCKVS_TEST_FLOWS` | what `many_connections` holds |
//! | `SOCKVS_TEST_SECONDS` | for how long `load` has clients edit at once |
//! | `SOCKVS_TEST_STATIC_CLIENT` | `static/client.c`, statically linked, where there is no gcc |

pub mod clients;
pub mod environment;
pub mod helpers;
pub mod loads;
pub mod oracle;
pub mod process;
pub mod servers;
pub mod setups;

pub use clients::{
    application, conversation, ipvs_clients, keepalived, neli_client, rule, static_client,
};
pub use environment::{daemon, root, user, variable};
pub use helpers::{answering, genetlink, hex, random, unconnected, wire};
pub use loads::{socket_load, traffic};
pub use oracle::{bpf_objects, census, ledger, listing, usage};
pub use process::{binaries, eventually, name, program};
pub use servers::dns;
pub use setups::{dual_stack, scene};

pub use clients::{
    application::Application, client::Client, conversation::Conversation, ipvs_clients::IpvsClient,
    keepalived::Keepalived, raw_client::RawClient,
};
pub use environment::{
    cgroup::Cgroup, daemon::Daemon, folder::Folder, fuse::StuckFile, intercept::Intercept,
    namespace::Namespace, place::Place, turn::Turn,
};
pub use loads::{bystander::Bystander, socket_load::SocketLoad, traffic::Traffic};
pub use oracle::{census::Census, ledger::Ledger, vitals::Vitals};
pub use process::{program::Outcome, syscall_killer::SyscallKiller};
pub use servers::{
    datagram_server::DatagramServer, host::Host, server::Server, server::Talk,
    tls_server::TlsServer,
};
pub use setups::{scene::Balancer, scene::Scene, testbed::Testbed};
