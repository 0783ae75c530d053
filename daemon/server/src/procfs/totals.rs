//! The counters and rates of a namespace (`ip_vs_stats_show`, `ip_vs_stats_percpu_show`).

use sockvs_ipvs::{DataPath, Stats, Table};

pub(super) fn text(table: &Table, path: &dyn DataPath) -> String {
    let total = total(table, path);
    let (counters, rates) = (counters(&total), rates(&total));
    format!(
        "   Total Incoming Outgoing         Incoming         Outgoing\n   \
         Conns  Packets  Packets            Bytes            Bytes\n\
         {counters}\n\n \
         Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n\
         {rates}\n"
    )
}

pub(super) fn text_by_processor(table: &Table, path: &dyn DataPath) -> String {
    let total = total(table, path);
    let (counters, rates) = (counters(&total), rates(&total));
    format!(
        "       Total Incoming Outgoing         Incoming         Outgoing\n\
         CPU    Conns  Packets  Packets            Bytes            Bytes\n  \
         0 {counters}\n  \
         ~ {counters}\n\n     \
         Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n    \
         {rates}\n"
    )
}

/// The sum of all services' counters.
fn total(table: &Table, path: &dyn DataPath) -> Stats {
    let services = table.services_from(0);
    services.fold(Stats::default(), |sum, service| {
        let stats = table.service_stats(service, path);
        Stats {
            conns: sum.conns + stats.conns,
            inpkts: sum.inpkts + stats.inpkts,
            outpkts: sum.outpkts + stats.outpkts,
            inbytes: sum.inbytes + stats.inbytes,
            outbytes: sum.outbytes + stats.outbytes,
            cps: sum.cps + stats.cps,
            inpps: sum.inpps + stats.inpps,
            outpps: sum.outpps + stats.outpps,
            inbps: sum.inbps + stats.inbps,
            outbps: sum.outbps + stats.outbps,
        }
    })
}

fn counters(stats: &Stats) -> String {
    line([
        stats.conns,
        stats.inpkts,
        stats.outpkts,
        stats.inbytes,
        stats.outbytes,
    ])
}

fn rates(stats: &Stats) -> String {
    line([
        stats.cps,
        stats.inpps,
        stats.outpps,
        stats.inbps,
        stats.outbps,
    ])
}

fn line([conns, inpkts, outpkts, inbytes, outbytes]: [u64; 5]) -> String {
    format!("{conns:8X} {inpkts:8X} {outpkts:8X} {inbytes:16X} {outbytes:16X}")
}
