//! The lines of what `ipvsadm -Ln` prints, with or without `--stats`.

use std::net::SocketAddr;

/// A service or one of its servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `TCP` or `UDP`.
    pub protocol: String,
    /// The service's address.
    pub service: SocketAddr,
    /// The server's address, on its lines.
    pub server: Option<SocketAddr>,
    /// The columns of numbers, from the left: `Weight ActiveConn InActConn` of a server, or with
    /// `--stats` `Conns InPkts OutPkts InBytes OutBytes`.
    pub numbers: Vec<u64>,
}

/// Reads a listing. Services for firewall marks, and their servers, are left out.
#[must_use]
pub fn read(listing: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut within: Option<(String, SocketAddr)> = None;
    for line in listing.lines() {
        let mut words = line.split_whitespace();
        let (Some(first), Some(second)) = (words.next(), words.next()) else {
            continue;
        };
        let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
        let server = match first {
            "->" => second.parse().ok(),
            "TCP" | "UDP" => {
                within = second.parse().ok().map(|at| (first.to_owned(), at));
                None
            }
            _ => {
                within = None;
                continue;
            }
        };
        if let Some((protocol, service)) = &within {
            lines.push(Line {
                protocol: protocol.clone(),
                service: *service,
                server,
                numbers,
            });
        }
    }
    lines
}
