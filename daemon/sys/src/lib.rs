//! What sockvs asks of the operating system, in one place each.
//!
//! [`netlink`] asks the kernel something over netlink; [`netns`] finds, enters and watches network
//! namespaces; [`process`] and [`socket`] ask about processes and sockets what neither `std` nor
//! `nix` does; [`bpf`] is what the eBPF library lacks of `bpf(2)`; [`bpffs`] and [`cgroup`] are where
//! programs are pinned and attached; [`capabilities`] gives up rights. [`descriptors`],
//! [`socket_file`], [`service_manager`] and [`rate_limit`] are what a daemon takes.
//!
//! Nothing here knows IPVS, but for the names of what has a table: a network namespace and its
//! owner.

pub mod bpf;
pub mod bpffs;
pub mod capabilities;
pub mod cgroup;
pub mod descriptors;
pub mod netlink;
pub mod netns;
pub mod process;
pub mod rate_limit;
pub mod service_manager;
pub mod socket;
pub mod socket_file;
