//! DNAT by iptables: two rules for each service, of which the first takes every second connection.

use std::fmt::Write as _;

use super::balancer::{Balancer, Guard, Refusal};
use crate::{
    lab::Lab,
    process,
    services::{SERVERS, Services},
};

/// Each new connection walks the rules one by one, and loading them takes time that grows with the
/// square of their number.
const MOST: u32 = 1000;

pub(super) struct Iptables;

impl Balancer for Iptables {
    fn name(&self) -> &'static str {
        "iptables"
    }

    fn balance(&self, lab: &Lab, services: Services) -> Result<Guard, Refusal> {
        if services.0 > MOST {
            return Err(Refusal::Absent(format!(
                "left out: a list of {} rules that every connection would walk",
                2 * services.0
            )));
        }
        let rules = lab.folder.write("iptables", &rules(services));
        process::time(lab.client_place().command("iptables-restore"), Some(&rules))
            .map_err(|error| Refusal::Absent(format!("not on this kernel: {error:#}")))?;
        Ok(Box::new(()))
    }
}

fn rules(services: Services) -> String {
    let mut rules = String::from("*nat\n");
    for service in services.iter() {
        let (protocol, address) = (service.protocol.name(), service.address);
        let (ip, port) = (address.ip(), address.port());
        let [first, second] = SERVERS;
        let matches = format!("-A OUTPUT -d {ip}/32 -p {protocol} -m {protocol} --dport {port}");
        let _ = writeln!(
            rules,
            "{matches} -m statistic --mode nth --every 2 --packet 0 -j DNAT \
             --to-destination {first}:{port}\n\
             {matches} -j DNAT --to-destination {second}:{port}"
        );
    }
    rules.push_str("COMMIT\n");
    rules
}
