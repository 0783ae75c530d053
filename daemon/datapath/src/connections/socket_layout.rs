//! The offsets of the kernel's socket fields that the eBPF programs read to describe connections.

use sockvs_ebpf_common::SocketLayout;

use sockvs_sys::bpf::{Btf, TypeError};

/// Determines the offsets from the running kernel's BTF. The error names what is missing.
pub(crate) fn socket_layout() -> Result<SocketLayout, TypeError> {
    let btf = Btf::of_kernel()?;
    let of_all = |field| btf.offset("sock", &["__sk_common", field]);
    Ok(SocketLayout {
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
        references: of_all("skc_refcnt")?,
        write_memory: btf.offset("sock", &["sk_wmem_alloc"])?,
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
    })
}
