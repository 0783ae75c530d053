//! What a test runs in: namespaces, cgroups, folders, users, and the daemon itself. Nothing here
//! makes a request to the daemon or a connection.

pub mod cgroup;
pub mod daemon;
pub mod folder;
pub mod fuse;
pub mod intercept;
pub mod namespace;
pub mod place;
pub mod root;
pub mod turn;
pub mod user;
pub mod variable;
