//! Which service a socket's call belongs to (`ip_vs_service_find`).

use aya_ebpf::programs::SockAddrContext;
use sockvs_ebpf_common::{AF_INET, AF_INET6, FTP_PORT, IPPROTO_TCP, Service, ServiceKey};

use crate::{
    address::{self, Endpoint},
    table,
};

/// The port that FTP's data connections to a client come from.
const FTP_DATA_PORT: u16 = 20;
/// Ports from here on may be anybody's.
const FIRST_UNPRIVILEGED: u16 = 1024;

/// No service: no record has this index.
const NOTHING: u32 = u32::MAX;

/// The cookie of the namespace whose services hold everywhere, or zero. The daemon sets it before
/// the programs are loaded; the verifier then sees a constant.
#[unsafe(no_mangle)]
static NODE_WIDE: u64 = 0;

#[inline(always)]
fn node_wide() -> u64 {
    // SAFETY: a valid, aligned static. Volatile, because its value is not the one written here.
    unsafe { core::ptr::addr_of!(NODE_WIDE).read_volatile() }
}

/// A service that was found.
pub(crate) struct Found {
    /// The index of its record.
    pub(crate) index: u32,
    /// Its record.
    pub(crate) record: *mut Service,
}

/// The service of a call of this protocol to `asked`, an address of this family that is not
/// IPv4-mapped: of the socket's namespace, or of the one whose services hold everywhere.
#[inline(always)]
pub(crate) fn find(
    ctx: &SockAddrContext,
    family: u8,
    protocol: u8,
    asked: &Endpoint,
) -> Option<Found> {
    let mark = address::mark(ctx);
    if mark == 0 && !table::may_be_of_service(&asked.address) {
        return None;
    }
    let mut key = ServiceKey {
        netns: address::netns(ctx),
        address: asked.address,
        port: asked.port,
        protocol,
        family,
        zero: 0,
    };
    // Nearly always it is this one: not through a function that would have to look up twice.
    if mark == 0
        && let Some((index, record)) = table::cached_service(&key)
    {
        return Some(Found { index, record });
    }
    let mut index = sockvs_find(&raw const key, mark);
    let node_wide = node_wide();
    if index == NOTHING && node_wide != 0 {
        key.netns = node_wide;
        index = sockvs_find(&raw const key, mark);
    }
    let record = table::service_at(index)?;
    Some(Found { index, record })
}

/// The service in the namespace of `asked`: that of the mark, of the address, of FTP's data, of all
/// ports. The index of its record, or `NOTHING`.
///
/// A function of its own, so that the verifier goes through all this once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_find(asked: *const ServiceKey, mark: u32) -> u32 {
    if asked.is_null() {
        return NOTHING;
    }
    // Linux 6.1 looks up only what is on the function's own stack.
    // SAFETY: not null, so the caller's.
    let mut key = unsafe { asked.read_volatile() };
    let port = key.port;
    if mark != 0
        && let Some((index, _)) = table::service(&ServiceKey {
            netns: key.netns,
            address: [mark, 0, 0, 0],
            port: 0,
            protocol: 0,
            family: key.family,
            zero: 0,
        })
    {
        return index;
    }
    if let Some((index, _)) = table::service(&key) {
        return index;
    }
    let globals = table::globals();
    if globals.ftp != 0 && key.protocol == IPPROTO_TCP {
        let port = u16::from_be(port);
        if port == FTP_DATA_PORT || port >= FIRST_UNPRIVILEGED {
            key.port = FTP_PORT.to_be();
            if let Some((index, _)) = table::service(&key) {
                return index;
            }
        }
    }
    if globals.all_ports != 0 {
        key.port = 0;
        if let Some((index, _)) = table::service(&key) {
            return index;
        }
    }
    NOTHING
}

/// An address as services have it: its family, and the address itself, which is not IPv4-mapped.
#[inline(always)]
pub(crate) fn as_searched(asked: &Endpoint) -> (u8, Endpoint) {
    let (family, address) = if address::is_v4_mapped(&asked.address) {
        (AF_INET, [asked.address[3], 0, 0, 0])
    } else {
        (AF_INET6, asked.address)
    };
    let searched = Endpoint {
        address,
        port: asked.port,
    };
    (family, searched)
}
