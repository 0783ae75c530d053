//! Wrappers of the operating system that several crates of sockvs use.
//!
//! [`netlink`] sends requests to the kernel; [`netns`] finds, enters and watches network
//! namespaces; [`process`] and [`socket`] wrap system calls that `std` and `nix` lack; [`bpf`] has
//! what the eBPF library lacks of `bpf(2)`; [`bpffs`] and [`cgroup`] are for pinning and attaching
//! programs; [`capabilities`] drops capabilities. [`descriptors`], [`socket_file`],
//! [`service_manager`] and [`rate_limit`] are for daemons.
//!
//! Nothing here depends on IPVS, except for the types of a network namespace and its owner.

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
