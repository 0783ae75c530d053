//! Where the running kernel has what the eBPF programs tell of open connections.

use sockvs_ebpf_common::SocketLayout;

use crate::ebpf::{Btf, TypeError};

/// The function that stands for walking through a map's entries.
const WALK: &str = "bpf_iter_bpf_map_elem";

/// What the running kernel's description of its types says.
pub(super) struct Kernel {
    /// The number of the type of the function that stands for walking through a map's entries.
    pub(super) walk: u32,
    /// Where the fields are.
    pub(super) layout: SocketLayout,
}

impl Kernel {
    /// Finds it all out. The error names what is missing.
    pub(super) fn new() -> Result<Self, TypeError> {
        let btf = Btf::of_kernel()?;
        let of_all = |field| btf.offset("sock", &["__sk_common", field]);
        let layout = SocketLayout {
            family: of_all("skc_family")?,
            state: of_all("skc_state")?,
            address: of_all("skc_rcv_saddr")?,
            address6: of_all("skc_v6_rcv_saddr")?,
            port: of_all("skc_num")?,
            device: of_all("skc_bound_dev_if")?,
            net: btf.offset("sock", &["__sk_common", "skc_net", "net"])?,
            net_cookie: btf.offset("net", &["net_cookie"])?,
            net_inode: btf.offset("net", &["ns", "inum"])?,
            cookie: of_all("skc_cookie")?,
            protocol: btf.offset("sock", &["sk_protocol"])?,
            cgroup: btf.offset("sock", &["sk_cgrp_data", "cgroup"])?,
            cgroup_node: btf.offset("cgroup", &["kn"])?,
            node_id: btf.offset("kernfs_node", &["id"])?,
            socket: btf.offset("sock", &["sk_socket"])?,
            file: btf.offset("socket", &["file"])?,
            inode: btf.offset("file", &["f_inode"])?,
            inode_number: btf.offset("inode", &["i_ino"])?,
            segs_out: btf.offset("tcp_sock", &["segs_out"])?,
            segs_in: btf.offset("tcp_sock", &["segs_in"])?,
            bytes_acked: btf.offset("tcp_sock", &["bytes_acked"])?,
            bytes_received: btf.offset("tcp_sock", &["bytes_received"])?,
        };
        Ok(Self {
            walk: btf.function(WALK)?,
            layout,
        })
    }
}
