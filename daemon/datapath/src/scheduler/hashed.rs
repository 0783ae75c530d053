//! The schedulers that hash an address: `sh`, `dh` and `mh` (`ip_vs_sh.c`, `ip_vs_dh.c`,
//! `ip_vs_mh.c`). This module builds their tables; the eBPF program computes a client's index.
//!
//! A server keeps its entries while its weight is zero, so that clients of other servers keep
//! theirs: a connection that hits such an entry is refused, or goes elsewhere by the fallback
//! option.

use sockvs_ebpf_common::{MAGLEV_KEY, SelectionKind, maglev_hash, source_hash};

use crate::scheduler::Server;

/// The size of the tables of `sh` and `dh` (`IP_VS_SH_TAB_SIZE`, `IP_VS_DH_TAB_SIZE`).
const SOURCE_PLACES: usize = 256;
/// The size of the table of `mh`, and the number of bits of a weight that count
/// (`CONFIG_IP_VS_MH_TAB_INDEX` of 12).
const MAGLEV_PLACES: u32 = 4093;
const MAGLEV_BITS: u32 = 12;
/// The key of `mh`'s second hash function (`generate_hash_secret`).
const MAGLEV_KEY2: u64 = 2_654_446_892;

/// `sh`: each server has as many consecutive entries as its weight, but at least one.
pub(crate) fn source(servers: &[Server]) -> (SelectionKind, Vec<Server>) {
    let places = servers
        .iter()
        .flat_map(|server| {
            let slots = usize::try_from(server.weight).unwrap_or(0).max(1);
            std::iter::repeat_n(*server, slots.min(SOURCE_PLACES))
        })
        .collect::<Vec<_>>();
    let table = places.iter().cycle().take(SOURCE_PLACES).copied().collect();
    (SelectionKind::SourceHash, table)
}

/// `dh`: one entry for each server, repeatedly. All connections to one address use the same entry,
/// so only that one is built.
pub(crate) fn destination(address: u32, servers: &[Server]) -> (SelectionKind, Vec<Server>) {
    let place = source_hash(address) as usize;
    let server = servers
        .iter()
        .cycle()
        .nth(place)
        .filter(|server| server.weight > 0);
    (
        SelectionKind::FirstUsable,
        server.copied().into_iter().collect(),
    )
}

/// `mh`: servers choose entries in turns, each in its own order, and as many per turn as its
/// weight.
pub(crate) fn maglev(servers: &[Server]) -> (SelectionKind, Vec<Server>) {
    let last_weight = |server: &Server| u32::try_from(server.last_weight).unwrap_or(0);
    let weights = || servers.iter().map(last_weight).filter(|weight| *weight > 0);
    let Some(gcd) = weights().reduce(gcd) else {
        return (SelectionKind::Maglev, Vec::new());
    };
    let most = weights().max().unwrap_or(0) / gcd;
    let shift = (u32::BITS - most.leading_zeros()).saturating_sub(MAGLEV_BITS);

    struct Chooser {
        server: Server,
        place: u32,
        skip: u32,
        slots: u32,
    }
    let mut choosers: Vec<Chooser> = servers
        .iter()
        .filter(|server| last_weight(server) > 0)
        .map(|server| Chooser {
            server: *server,
            place: maglev_hash(server.hashed, MAGLEV_KEY) % MAGLEV_PLACES,
            skip: maglev_hash(server.hashed, MAGLEV_KEY2) % (MAGLEV_PLACES - 1) + 1,
            slots: ((last_weight(server) / gcd) >> shift).max(1),
        })
        .collect();
    let mut table: Vec<Option<Server>> = vec![None; MAGLEV_PLACES as usize];
    let mut empty = MAGLEV_PLACES;
    'full: loop {
        for chooser in &mut choosers {
            for _ in 0..chooser.slots {
                while table
                    .get(chooser.place as usize)
                    .is_some_and(Option::is_some)
                {
                    chooser.place = (chooser.place + chooser.skip) % MAGLEV_PLACES;
                }
                if let Some(place) = table.get_mut(chooser.place as usize) {
                    *place = Some(chooser.server);
                }
                empty -= 1;
                if empty == 0 {
                    break 'full;
                }
            }
        }
    }
    (SelectionKind::Maglev, table.into_iter().flatten().collect())
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
