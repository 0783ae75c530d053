//! The kernel's IPVS, with direct routing or masquerading.

use std::{fs::File, os::unix::fs::FileExt as _, process::Command, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use compat_tests::{Client, Folder, binaries};

use super::balancer::{Balancer, Balancing, Guard, Refusal};
use crate::{
    interrupt,
    lab::Lab,
    output::progress,
    process,
    services::{SERVERS, Services},
};

/// Rules in one request to the client program.
const BATCH: usize = 300;

/// How packets get to a server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Method {
    Routing,
    Masquerading,
}

impl Method {
    /// The option of ipvsadm.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::Routing => "-g",
            Self::Masquerading => "-m",
        }
    }
}

pub(super) struct Ipvs(pub(super) Method);

impl Balancer for Ipvs {
    fn name(&self) -> &'static str {
        match self.0 {
            Method::Routing => "IPVS -g",
            Method::Masquerading => "IPVS -m",
        }
    }

    fn balance(&self, lab: &Lab, services: Services) -> Result<Guard, Refusal> {
        if !is_there() {
            return Err(Refusal::Absent(
                "not on this kernel: it has no ip_vs".into(),
            ));
        }
        load(&lab.kernel_client(), &lab.folder, rules(services, self.0))?;
        Ok(Box::new(Estimation::of(lab)?))
    }
}

/// The kernel's estimating of rates, in one namespace: every two seconds it looks at all services
/// and servers, whichever balancer is being measured.
struct Estimation(File);

impl Estimation {
    fn of(lab: &Lab) -> Result<Self> {
        let setting = "/proc/sys/net/ipv4/vs/run_estimation";
        let open = || File::options().write(true).open(setting);
        let file = lab.client.enter(open).with_context(|| setting.to_owned())?;
        Ok(Self(file))
    }

    fn switch(&self, on: bool) {
        let value = if on { b"1" } else { b"0" };
        if let Err(error) = self.0.write_all_at(value, 0) {
            progress(&format!("IPVS goes on estimating rates: {error}"));
        }
    }
}

impl Balancing for Estimation {
    fn rest(&self) {
        self.switch(false);
    }

    fn go_on(&self) {
        self.switch(true);
    }

    fn period(&self) -> Duration {
        Duration::from_secs(2)
    }
}

/// Whether this kernel has IPVS. Loads its module.
pub(crate) fn is_there() -> bool {
    let mut modprobe = Command::new("modprobe");
    modprobe.args(["--quiet", "ip_vs"]);
    // Built in, there is nothing to load.
    let _ = process::output(modprobe);
    std::path::Path::new("/proc/net/ip_vs").exists()
}

/// Programs these rules. ipvsadm would ask for the family before each of them; the client that is
/// used here does that once.
pub(crate) fn load(
    client: &Client,
    folder: &Folder,
    rules: impl Iterator<Item = String>,
) -> Result<()> {
    let path = binaries::ours("sockvs-neli-client");
    let command = client.command(&path.to_string_lossy());
    let mut loader = compat_tests::Conversation::start(command, "sockvs-neli-client", folder);
    let mut rules = rules.peekable();
    while let Some(first) = rules.peek().cloned() {
        interrupt::check()?;
        let batch: Vec<String> = rules.by_ref().take(BATCH).collect();
        loader
            .ask(&format!("-R {}", batch.join(" ; ")))
            .map_err(|errno| anyhow!("IPVS refuses one of the rules from {first:?}: {errno}"))?;
    }
    Ok(())
}

/// The rules for these services, each with all servers.
pub(crate) fn rules(services: Services, method: Method) -> impl Iterator<Item = String> {
    services.iter().flat_map(move |service| {
        let (option, port) = (service.protocol.option(), service.address.port());
        let address = service.address;
        let first = format!("-A {option} {address} -s rr");
        let servers = SERVERS.map(|server| {
            format!(
                "-a {option} {address} -r {server}:{port} {} -w 1",
                method.option()
            )
        });
        std::iter::once(first).chain(servers)
    })
}
