//! The daemon.

use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode};

use clap::Parser;
use sockvs::{
    control::{DEFAULT_PIN_DIR, DEFAULT_SOCKET},
    daemon::{Netns, Options, detach, run},
    intercept::Intercept,
};
use sockvs_datapath::Limits;
use sockvs_intercept_bpf as bpf;
use sockvs_intercept_seccomp as seccomp;
use tracing_subscriber::EnvFilter;

/// IPVS in the socket layer: serves ipvsadm, keepalived and kube-proxy, and balances connect(2).
#[derive(Parser)]
#[command(name = "sockvsd", version, about, max_term_width = 100)]
struct Arguments {
    /// How IPVS requests reach the daemon.
    #[arg(long, value_enum, default_value_t = Intercept::Auto)]
    intercept: Intercept,
    /// The network namespaces in which the family is served, where requests come from all clients.
    #[arg(long, value_enum, default_value_t = Netns::Own)]
    netns: Netns,
    /// Remove the services that the kernel's own IPVS has there, instead of refusing to start.
    #[arg(long)]
    replace_kernel_ipvs: bool,
    /// Balance the connections of this cgroup's processes [default: of all processes].
    #[arg(long, value_name = "DIR")]
    cgroup: Option<PathBuf>,
    /// Services of this network namespace hold for the sockets of every namespace.
    #[arg(long)]
    node_wide: bool,
    /// The most services, of all namespaces: at most 1048576. Each costs 16 bytes before it is
    /// used.
    #[arg(long, value_name = "NUMBER", default_value_t = 1 << 17)]
    max_services: u32,
    /// The most servers of all services. They cost nothing before they are used.
    #[arg(long, value_name = "NUMBER", default_value_t = 1 << 23)]
    max_servers: u32,
    /// The most clients of persistent services. A service may have as many as are still free;
    /// further clients are balanced without persistence. Each costs 16 bytes before it is used.
    /// Maps that are pinned already do not become larger.
    #[arg(long, value_name = "NUMBER", default_value_t = 1 << 18)]
    max_clients: u32,
    /// How many open connections are counted; more are balanced all the same. About half as many
    /// flows of datagrams are remembered of sockets that are not connected. Beyond the first 65536
    /// connections of all, a user other than root may have nine times as many as are still free,
    /// and of flows twice as many. Each of the first takes 128 bytes of memory from the start, the
    /// others 16 before they are used. Maps that are pinned already do not become larger.
    #[arg(long, value_name = "NUMBER", default_value_t = (1 << 20) + (1 << 16))]
    max_connections: u32,
    /// Pin what outlives the daemon here, in a BPF file system.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_PIN_DIR)]
    pin_dir: PathBuf,
    /// The control socket.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Remove all that an earlier daemon left in the pin directory, and the sockets that it
    /// listened at, and exit. Connections that exist live on; new ones are no longer balanced.
    #[arg(long)]
    detach_all: bool,
    /// Be the guard of this process. Not for people.
    #[arg(long, hide = true, value_name = "PID")]
    guard: Option<u32>,
    /// Accept the supervisors of sockvs exec for the process that started this one. Not for people.
    #[arg(long, hide = true, value_name = "AUDIENCE")]
    relay: Option<seccomp::Audience>,
    /// Write the log as JSON.
    #[arg(long)]
    log_json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("SOCKVS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if arguments.log_json {
        log.json().init();
    } else {
        log.with_target(false).init();
    }
    let outcome = if let Some(daemon) = arguments.guard {
        bpf::guard(daemon).map_err(anyhow::Error::from)
    } else if let Some(audience) = arguments.relay {
        seccomp::relay(audience).map_err(anyhow::Error::from)
    } else if arguments.detach_all {
        detach(&arguments.pin_dir, &arguments.socket)
    } else {
        run(&Options {
            intercept: arguments.intercept,
            netns: arguments.netns,
            replace_kernel_ipvs: arguments.replace_kernel_ipvs,
            cgroup: arguments.cgroup,
            node_wide: arguments.node_wide,
            limits: Limits::new(
                arguments.max_services,
                arguments.max_servers,
                arguments.max_clients,
                arguments.max_connections,
            ),
            pin_dir: arguments.pin_dir,
            socket: arguments.socket,
        })
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sockvsd: {error:#}");
            ExitCode::FAILURE
        }
    }
}
