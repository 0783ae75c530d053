//! Finding the service that a call belongs to (`ip_vs_service_find`). What becomes of the call is
//! `balance`'s matter.

use sockvs_ebpf_common::{FTP_PORT, IPPROTO_TCP, ServiceKey};

use crate::{address::Endpoint, config, maps, records::ServiceRef, sock_addr::SockAddr};

/// The port that FTP's data connections to a client come from.
const FTP_DATA_PORT: u16 = 20;
/// The first port that needs no privilege.
const FIRST_UNPRIVILEGED: u16 = 1024;

/// No service: no record has this index.
const NO_SERVICE: u32 = u32::MAX;

/// The cookie of the namespace whose services apply in all namespaces, or zero. The daemon sets it
/// before the programs are loaded; the verifier then sees a constant.
#[unsafe(no_mangle)]
static NODE_WIDE: u64 = 0;

/// A service that was found.
pub(crate) struct Found {
    /// The index of its record.
    pub(crate) index: u32,
    /// Its record.
    pub(crate) record: ServiceRef,
}

/// The service of a call with this protocol to an address of this family that is not IPv4-mapped:
/// of the socket's namespace, or of the one whose services apply in all.
#[inline(always)]
pub(crate) fn lookup(
    call: SockAddr,
    family: u8,
    protocol: u8,
    requested: &Endpoint,
) -> Option<Found> {
    let mark = call.mark();
    if mark == 0 && !maps::may_be_vip(&requested.address) {
        return None;
    }
    let mut key = ServiceKey {
        netns: call.netns(),
        address: requested.address,
        port: requested.port,
        protocol,
        family,
        zero: 0,
    };
    // This finds nearly all of them, with one look-up fewer than a function that returns an index.
    if mark == 0
        && let Some((index, record)) = maps::cached_service(&key)
    {
        return Some(Found { index, record });
    }
    let mut index = sockvs_lookup_service(&raw const key, mark);
    let node_wide = config::get(&NODE_WIDE);
    if index == NO_SERVICE && node_wide != 0 {
        key.netns = node_wide;
        index = sockvs_lookup_service(&raw const key, mark);
    }
    let record = maps::service_at(index)?;
    Some(Found { index, record })
}

/// The service in the namespace of `requested`: that of the mark, of the address, of FTP's data, of
/// all ports. The index of its record, or `NO_SERVICE`.
///
/// A global function, which the verifier checks once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sockvs_lookup_service(requested: *const ServiceKey, mark: u32) -> u32 {
    if requested.is_null() {
        return NO_SERVICE;
    }
    // Linux 6.1 accepts as a key only what is on the function's own stack.
    // SAFETY: not null, so the caller's.
    let mut key = unsafe { requested.read_volatile() };
    let port = key.port;
    if mark != 0
        && let Some((index, _)) = maps::service(&ServiceKey {
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
    if let Some((index, _)) = maps::service(&key) {
        return index;
    }
    let globals = maps::globals();
    if globals.ftp != 0 && key.protocol == IPPROTO_TCP {
        let port = u16::from_be(port);
        if port == FTP_DATA_PORT || port >= FIRST_UNPRIVILEGED {
            key.port = FTP_PORT.to_be();
            if let Some((index, _)) = maps::service(&key) {
                return index;
            }
        }
    }
    if globals.all_ports != 0 {
        key.port = 0;
        if let Some((index, _)) = maps::service(&key) {
            return index;
        }
    }
    NO_SERVICE
}
