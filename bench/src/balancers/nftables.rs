//! An nftables map from services to servers, as kube-proxy's nftables mode has: one rule for all,
//! one look-up for each connection. (kube-proxy's then goes on to a chain for each service, which
//! costs more than this.)

use std::fmt::Write as _;

use super::balancer::{Balancer, Guard, Refusal};
use crate::{
    lab::Lab,
    process,
    services::{SERVERS, Services},
};

pub(super) struct Nftables;

impl Balancer for Nftables {
    fn name(&self) -> &'static str {
        "nftables"
    }

    fn balance(&self, lab: &Lab, services: Services) -> Result<Guard, Refusal> {
        let rules = lab.folder.write("nftables", &rules(services));
        let mut nft = lab.client_place().command("nft");
        nft.arg("-f").arg(rules);
        process::output(nft)
            .map_err(|error| Refusal::Absent(format!("not on this kernel: {error:#}")))?;
        Ok(Box::new(()))
    }
}

fn rules(services: Services) -> String {
    let mut elements = String::new();
    for service in services.iter() {
        let (protocol, address) = (service.protocol.name(), service.address);
        let (ip, port) = (address.ip(), address.port());
        for (number, server) in SERVERS.iter().enumerate() {
            let _ = writeln!(
                elements,
                "{number} . {ip} . {protocol} . {port} : {server} . {port},"
            );
        }
    }
    let key = "numgen inc mod 2 . ip daddr . meta l4proto . th dport";
    format!(
        "table ip bench {{
            map servers {{
                typeof {key} : ip daddr . th dport
                elements = {{ {elements} }}
            }}
            chain output {{
                type nat hook output priority -100;
                meta l4proto {{ tcp, udp }} dnat ip to {key} map @servers
            }}
        }}\n"
    )
}
