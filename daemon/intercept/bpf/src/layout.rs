//! The offsets of the kernel's fields that the hook reads.

use sockvs_ebpf_common::netlink::KernelLayout;

use sockvs_sys::bpf::{Btf, TypeError as Error};

/// The function that the hook is attached to.
const HOOKED: &str = "security_netlink_send";
/// The bits of `netlink_sock.flags` in kernels that define no enumeration for them.
const CAP_ACK_BIT: u32 = 5;
const EXT_ACK_BIT: u32 = 6;

/// What the hook needs from the running kernel's BTF.
pub(super) struct Kernel {
    /// The type id of the hooked function.
    pub(super) hooked: u32,
    /// The offsets of the fields.
    pub(super) layout: KernelLayout,
}

impl Kernel {
    /// Determines them from BTF. The error names what is missing.
    pub(super) fn from_btf(btf: &Btf) -> Result<Self, Error> {
        let control_block = btf.offset("sk_buff", &["cb"])?;
        let parameter =
            |name| Ok::<_, Error>(control_block + btf.offset("netlink_skb_parms", &[name])?);
        let bit = |name, otherwise| 1_u32 << (btf.enumerator(name).unwrap_or(otherwise) % 32);
        let layout = KernelLayout {
            sock_protocol: btf.offset("sock", &["sk_protocol"])?,
            sock_net: btf.offset("sock", &["__sk_common", "skc_net", "net"])?,
            sock_socket: btf.offset("sock", &["sk_socket"])?,
            net_cookie: btf.offset("net", &["net_cookie"])?,
            skb_data: btf.offset("sk_buff", &["data"])?,
            skb_len: btf.offset("sk_buff", &["len"])?,
            skb_portid: parameter("portid")?,
            skb_dst_group: parameter("dst_group")?,
            skb_flags: parameter("flags")?,
            netlink_flags: btf.offset("netlink_sock", &["flags"])?,
            netlink_dst_portid: btf.offset("netlink_sock", &["dst_portid"])?,
            socket_file: btf.offset("socket", &["file"])?,
            file_cred: btf.offset("file", &["f_cred"])?,
            task_cred: btf.offset("task_struct", &["cred"])?,
            cred_effective: btf.offset("cred", &["cap_effective"])?,
            cred_user_ns: btf.offset("cred", &["user_ns"])?,
            user_ns_level: btf.offset("user_namespace", &["level"])?,
            cap_ack: bit("NETLINK_F_CAP_ACK", CAP_ACK_BIT),
            ext_ack: bit("NETLINK_F_EXT_ACK", EXT_ACK_BIT),
            zero: 0,
        };
        Ok(Self {
            hooked: btf.function(HOOKED)?,
            layout,
        })
    }
}
