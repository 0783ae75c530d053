//! Rules in the words of `ipvsadm`, for clients that are not ipvsadm.
//!
//! Tests give all their clients the same arguments and compare what the clients print, so the
//! others read and write rules as ipvsadm does: `-A -t 10.9.0.1:80 -s rr`. Only what tests use is
//! known.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use crate::helpers::wire;

/// Rules, line by line, that add so many TCP services without servers.
#[must_use]
pub fn many_services(count: u32) -> String {
    let rules = (0..count).map(|number| {
        let (high, low) = (number / 250, 1 + number % 250);
        format!("-A -t 10.9.{high}.{low}:80 -s rr\n")
    });
    rules.collect()
}

/// What a virtual service is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A protocol (`IPPROTO_TCP`, `IPPROTO_UDP`), an address and a port.
    Address(u16, SocketAddr),
    /// A firewall mark, and whether it is for IPv6.
    Mark(u32, bool),
}

/// A virtual service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What it is found by.
    pub key: Key,
    /// Its scheduler.
    pub scheduler: String,
    /// Its persistence, if any: the time-out.
    pub persistent: Option<u32>,
    /// The mask of persistence, as it travels.
    pub netmask: u32,
    /// One-packet scheduling.
    pub one_packet: bool,
    /// The persistence engine, if any.
    pub engine: Option<String>,
}

/// A real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it is.
    pub address: SocketAddr,
    /// 0 masquerading, 2 tunnelling, 3 direct routing.
    pub method: u32,
    /// Its weight, as it travels.
    pub weight: u32,
    /// The most connections that it gets, or 0.
    pub upper: u32,
    /// With how many connections it gets new ones again, or 0.
    pub lower: u32,
}

/// A service and perhaps one of its servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The service.
    pub service: Service,
    /// The server.
    pub server: Option<Server>,
}

const METHODS: [(&str, u32); 3] = [("-m", 0), ("-i", 2), ("-g", 3)];

impl Key {
    /// Whether the service's addresses are of IPv6.
    #[must_use]
    pub fn is_v6(&self) -> bool {
        match self {
            Self::Address(_, address) => address.is_ipv6(),
            Self::Mark(_, v6) => *v6,
        }
    }

    /// The mask that stands for single addresses.
    #[must_use]
    pub fn whole_address(&self) -> u32 {
        if self.is_v6() { 128 } else { u32::MAX }
    }
}

impl Rule {
    /// Reads the arguments that follow the verb; none if they are not understood.
    #[must_use]
    pub fn parse(words: &[&str]) -> Option<Self> {
        let mut words = words.iter().copied().peekable();
        let (mut key, mut real, mut netmask) = (None, None, None);
        let (mut scheduler, mut persistent, mut engine) = ("wlc", None, None);
        let (mut one_packet, mut method, mut weight) = (false, 3, 1);
        let (mut upper, mut lower) = (0, 0);
        while let Some(word) = words.next() {
            match word {
                "-t" => key = Some(Key::Address(wire::TCP, words.next()?.parse().ok()?)),
                "-u" => key = Some(Key::Address(wire::UDP, words.next()?.parse().ok()?)),
                "-f" => {
                    let mark = words.next()?.parse().ok()?;
                    key = Some(Key::Mark(mark, words.next_if_eq(&"-6").is_some()));
                }
                "-s" => scheduler = words.next()?,
                "-p" => persistent = Some(words.next()?.parse().ok()?),
                "-M" => netmask = Some(parse_netmask(words.next()?)?),
                "-o" => one_packet = true,
                "--pe" => engine = Some(words.next()?.to_owned()),
                "-r" => real = Some(words.next()?.parse().ok()?),
                // As a number, or as the negative one that ipvsadm itself would refuse.
                "-w" => weight = words.next()?.parse::<i64>().ok()?,
                "-x" => upper = words.next()?.parse().ok()?,
                "-y" => lower = words.next()?.parse().ok()?,
                _ => method = METHODS.iter().find(|(name, _)| *name == word)?.1,
            }
        }
        let key: Key = key?;
        let netmask = netmask.unwrap_or(key.whole_address());
        let weight = u32::from_ne_bytes(i32::try_from(weight).ok()?.to_ne_bytes());
        let server = real.map(|address| Server {
            address,
            method,
            weight,
            upper,
            lower,
        });
        let scheduler = scheduler.to_owned();
        let service = Service {
            key,
            scheduler,
            persistent,
            netmask,
            one_packet,
            engine,
        };
        Some(Self { service, server })
    }
}

fn parse_netmask(text: &str) -> Option<u32> {
    match text.parse::<Ipv4Addr>() {
        Ok(mask) => Some(u32::from_ne_bytes(mask.octets())),
        Err(_) => text.parse().ok(),
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(wire::TCP, address) => write!(f, "-t {address}"),
            Self::Address(_, address) => write!(f, "-u {address}"),
            Self::Mark(mark, false) => write!(f, "-f {mark}"),
            Self::Mark(mark, true) => write!(f, "-f {mark} -6"),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-A {} -s {}", self.key, self.scheduler)?;
        if let Some(timeout) = self.persistent {
            write!(f, " -p {timeout}")?;
            if self.netmask != self.key.whole_address() {
                if self.key.is_v6() {
                    write!(f, " -M {}", self.netmask)?;
                } else {
                    write!(f, " -M {}", IpAddr::from(self.netmask.to_ne_bytes()))?;
                }
            }
        }
        if let Some(engine) = &self.engine {
            write!(f, " --pe {engine}")?;
        }
        if self.one_packet {
            write!(f, " -o")?;
        }
        Ok(())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(server) = &self.server else {
            return self.service.fmt(f);
        };
        let method = METHODS.iter().find(|(_, number)| *number == server.method);
        let method = method.map_or("?", |(name, _)| name);
        write!(
            f,
            "-a {} -r {} {method} -w {}",
            self.service.key, server.address, server.weight
        )?;
        if method == "-i" {
            write!(f, " --tun-type ipip")?;
        }
        Ok(())
    }
}
