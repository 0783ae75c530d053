//! Tests with small hand-made BTF.

use super::layout::Kernel;
use sockvs_sys::bpf::{Btf, TypeError as Error};

/// Builds BTF.
#[derive(Default)]
struct Builder {
    types: Vec<u8>,
    count: u32,
    strings: Vec<u8>,
}

const INT: u32 = 1;
const POINTER: u32 = 2;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const CONST: u32 = 10;
const FUNCTION: u32 = 12;

impl Builder {
    fn new() -> Self {
        Self {
            strings: vec![0],
            ..Self::default()
        }
    }

    fn text(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = self.strings.len();
        self.strings.extend(text.bytes());
        self.strings.push(0);
        u32::try_from(at).unwrap()
    }

    fn add(
        &mut self,
        kind: u32,
        flag: u32,
        name: &str,
        size: u32,
        items: &[[u32; 3]],
        words: usize,
    ) -> u32 {
        let name = self.text(name);
        let info = flag << 31 | kind << 24 | u32::try_from(items.len()).unwrap();
        for word in [name, info, size] {
            self.types.extend(word.to_ne_bytes());
        }
        for word in items.iter().flat_map(|item| item.iter().take(words)) {
            self.types.extend(word.to_ne_bytes());
        }
        self.count += 1;
        self.count
    }

    fn int(&mut self) -> u32 {
        let id = self.add(INT, 0, "int", 4, &[], 0);
        self.types.extend(32_u32.to_ne_bytes());
        id
    }

    /// Members: name, type, bits from the beginning.
    fn structure(&mut self, kind: u32, name: &str, members: &[(&str, u32, u32)]) -> u32 {
        let members: Vec<_> = members
            .iter()
            .map(|(name, id, bits)| [self.text(name), *id, *bits])
            .collect();
        self.add(kind, 0, name, 64, &members, 3)
    }

    fn build(self) -> Vec<u8> {
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
        let mut out = 0xeb9f_u16.to_ne_bytes().to_vec();
        out.extend([1, 0]);
        for word in [
            24,
            0,
            len(&self.types),
            len(&self.types),
            len(&self.strings),
        ] {
            out.extend(u32::to_ne_bytes(word));
        }
        out.extend(self.types);
        out.extend(self.strings);
        out
    }
}

fn parse(builder: Builder) -> Btf {
    Btf::parse(builder.build()).unwrap()
}

#[test]
fn a_field_is_found_through_structures_aliases_and_anonymous_unions() {
    let mut b = Builder::new();
    let int = b.int();
    let pointer = b.add(POINTER, 0, "", int, &[], 0);
    let net = b.structure(STRUCT, "", &[("net", pointer, 0)]);
    let possible = b.add(TYPEDEF, 0, "possible_net_t", net, &[], 0);
    let constant = b.add(CONST, 0, "", possible, &[], 0);
    let inner = b.structure(STRUCT, "", &[("a", int, 0), ("skc_net", constant, 64)]);
    let union = b.structure(UNION, "", &[("whole", int, 0), ("", inner, 0)]);
    let common = b.structure(STRUCT, "sock_common", &[("hash", int, 0), ("", union, 32)]);
    b.structure(
        STRUCT,
        "sock",
        &[("__sk_common", common, 128), ("sk_protocol", int, 256)],
    );
    let btf = parse(b);
    assert_eq!(btf.offset("sock", &["sk_protocol"]).unwrap(), 32);
    assert_eq!(
        btf.offset("sock", &["__sk_common", "skc_net", "net"])
            .unwrap(),
        (128 + 32 + 64) / 8
    );
    assert_eq!(btf.offset("sock_common", &["whole"]).unwrap(), 4);
}

#[test]
fn of_structures_with_one_name_the_one_with_the_field_is_used() {
    let mut b = Builder::new();
    let int = b.int();
    b.structure(STRUCT, "net", &[("other", int, 0)]);
    b.structure(STRUCT, "net", &[("other", int, 0), ("net_cookie", int, 32)]);
    assert_eq!(parse(b).offset("net", &["net_cookie"]).unwrap(), 4);
}

#[test]
fn errors_name_what_is_missing() {
    let mut b = Builder::new();
    let int = b.int();
    b.structure(STRUCT, "sock", &[("sk_type", int, 0)]);
    let btf = parse(b);
    let error = btf.offset("sock", &["__sk_common", "skc_net"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "this kernel has no field __sk_common.skc_net in struct sock"
    );
    let error = btf.function("security_netlink_send").unwrap_err();
    assert_eq!(
        error.to_string(),
        "this kernel has no function security_netlink_send"
    );
    assert!(matches!(
        Kernel::from_btf(&btf),
        Err(Error::NoField {
            structure: "sk_buff",
            ..
        })
    ));
}

#[test]
fn a_bit_field_is_refused() {
    let mut b = Builder::new();
    let int = b.int();
    let members = [
        [b.text("whole"), int, 8],
        [b.text("part"), int, 3 << 24 | 16],
        [b.text("odd"), int, 13],
    ];
    b.add(STRUCT, 1, "sock", 4, &members, 3);
    let btf = parse(b);
    assert_eq!(btf.offset("sock", &["whole"]).unwrap(), 1);
    assert!(matches!(
        btf.offset("sock", &["part"]),
        Err(Error::BitField { .. })
    ));
    assert!(matches!(
        btf.offset("sock", &["odd"]),
        Err(Error::BitField { .. })
    ));
}

#[test]
fn functions_have_ids_and_enumerators_values() {
    let mut b = Builder::new();
    b.int();
    let items = [
        [b.text("NETLINK_F_CAP_ACK"), 5, 0],
        [b.text("NETLINK_F_EXT_ACK"), 6, 0],
    ];
    b.add(ENUM, 0, "", 4, &items, 2);
    let function = b.add(FUNCTION, 0, "security_netlink_send", 0, &[], 0);
    let btf = parse(b);
    assert_eq!(btf.function("security_netlink_send").unwrap(), function);
    assert_eq!(btf.enumerator("NETLINK_F_EXT_ACK"), Some(6));
    assert_eq!(btf.enumerator("NETLINK_F_OTHER"), None);
}

#[test]
fn recursive_types_terminate() {
    let mut b = Builder::new();
    // An alias of itself, and a structure without a name in itself.
    b.add(TYPEDEF, 0, "loop", 1, &[], 0);
    b.structure(STRUCT, "outer", &[("", 2, 0), ("", 1, 0)]);
    assert!(parse(b).offset("outer", &["x"]).is_err());
}

#[test]
fn truncated_or_unknown_types_are_not_read() {
    let mut b = Builder::new();
    let int = b.int();
    b.structure(
        STRUCT,
        "sock",
        &[("sk_type", int, 0), ("sk_protocol", int, 32)],
    );
    let whole = b.build();
    for length in 0..whole.len() {
        // A truncated BTF gives an error, or lacks the field, but never panics.
        let found = Btf::parse(whole[..length].to_vec()).and_then(|b| b.offset("sock", &["x"]));
        assert!(found.is_err());
    }
    let mut b = Builder::new();
    b.add(31, 0, "new kind", 0, &[], 0);
    assert!(matches!(Btf::parse(b.build()), Err(Error::Malformed(_))));
}

#[test]
fn the_running_kernel_has_all_that_the_hook_needs() {
    // Without BTF there is nothing to test; doctor reports that.
    if let Ok(btf) = Btf::of_kernel() {
        let kernel = Kernel::from_btf(&btf).unwrap();
        assert_ne!(kernel.hooked, 0);
        assert_ne!(kernel.layout.net_cookie, 0);
        assert_eq!(
            (kernel.layout.cap_ack, kernel.layout.ext_ack),
            (1 << 5, 1 << 6)
        );
    }
}
