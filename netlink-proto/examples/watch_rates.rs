// SPDX-License-Identifier: GPL-2.0-only

//! Prints the rates of every service of IPVS once a second, until it is interrupted.
//!
//! ```sh
//! cargo run --example watch_rates
//! ```
//!
//! The rates are those of IPVS: averages over the last eight seconds or so, updated every two
//! seconds. The columns are those of `ipvsadm -Ln --rate`: connections, packets in and out, and
//! bytes in and out, each per second. It needs `CAP_NET_ADMIN`, as all of IPVS does.

mod common;

use std::{
    io::{self, Write},
    process::ExitCode,
    thread,
    time::Duration,
};

use common::{Client, Failure, exit_code, name, nest, sort};
use netlink_packet_ipvs::{IpvsCommand, ServiceAttr, Stats};

fn main() -> ExitCode {
    exit_code("watch_rates", watch())
}

fn watch() -> Result<(), Failure> {
    let mut client = Client::open()?;
    loop {
        let mut services = client.dump(IpvsCommand::GetService, vec![])?;
        sort(&mut services);
        // In one piece, so that a reader never sees half of a table.
        let mut table = heading();
        for service in &services {
            table += &line(nest(service));
        }
        table += "\n";
        io::stdout().write_all(table.as_bytes())?;
        thread::sleep(Duration::from_secs(1));
    }
}

fn heading() -> String {
    format!(
        "{:<40} {:>9} {:>9} {:>9} {:>12} {:>12}\n",
        "Prot LocalAddress:Port", "CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"
    )
}

fn line(service: &[ServiceAttr]) -> String {
    let stats = statistics(service);
    format!(
        "{:<40} {:>9} {:>9} {:>9} {:>12} {:>12}\n",
        name(service),
        stats.cps,
        stats.inpps,
        stats.outpps,
        stats.inbps,
        stats.outbps
    )
}

/// The statistics of a service, in the wider of the two forms. A kernel before Linux 4.1 only sends
/// the other one.
fn statistics(service: &[ServiceAttr]) -> Stats {
    let wide = service.iter().find_map(|attribute| match attribute {
        ServiceAttr::Stats64(stats) => Some(Stats::from_attrs(stats)),
        _ => None,
    });
    let narrow = service.iter().find_map(|attribute| match attribute {
        ServiceAttr::Stats(stats) => Some(Stats::from_attrs(stats)),
        _ => None,
    });
    wide.or(narrow).unwrap_or_default()
}
