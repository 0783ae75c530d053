//! The daemon as a whole: puts the parts together, runs them, and takes them apart in order.

use std::{
    io,
    os::fd::AsFd as _,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    control::{self, Facts, exec_socket},
    datapath::{MapPath, PinDirectory, Programs, find_cgroup2},
    family::{Namespaces, Server, Table},
    intercept::{Gateway, seccomp},
    ipvs::Ipvs,
    privileges,
};

/// How often what is no longer needed is let go.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// How requests reach the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Intercept {
    /// What works best here.
    Auto,
    /// From commands that `sockvs exec` runs.
    Seccomp,
}

/// What the daemon was asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// How requests reach it.
    pub intercept: Intercept,
    /// Whose connections are balanced; everybody's if none is given.
    pub cgroup: Option<PathBuf>,
    /// Whether the services of its own namespace hold in all of them.
    pub node_wide: bool,
    /// Where maps and links are pinned.
    pub pin_dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
}

/// Runs the daemon until it is told to end. Connections go on being balanced afterwards.
///
/// # Errors
///
/// When it cannot start; each error says what to do about it.
pub fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(serve(options))
}

async fn serve(options: &Options) -> Result<()> {
    // Asked for first, so that a signal that comes while we start is not lost.
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;

    if !privileges::suffice() {
        bail!("sockvsd needs CAP_SYS_ADMIN and CAP_NET_ADMIN; run it as root");
    }
    let cgroup = match &options.cgroup {
        Some(cgroup) => cgroup.clone(),
        None => find_cgroup2()?,
    };
    let own_namespace = own_namespace().context("cannot tell our own network namespace")?;
    let pins = PinDirectory::open(&options.pin_dir)?;
    let node_wide = options.node_wide.then_some(own_namespace);
    let mut programs = Programs::attach(pins, &cgroup, node_wide)?;
    let mut path = MapPath::open(&mut programs)?;
    let mut ipvs = Ipvs::new();
    let restored = path.restore(&mut ipvs)?;
    if restored > 0 {
        tracing::info!(services = restored, "taken over from an earlier daemon");
    }
    let server = Server::new(Table {
        ipvs,
        path: Box::new(path),
    });
    let namespaces = Arc::new(Namespaces::default());

    let facts = Facts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        intercept: "seccomp".to_owned(),
        intercept_reason: "requests come from commands that run under sockvs exec".to_owned(),
        cgroup: cgroup.clone(),
        node_wide: options.node_wide,
        pin_dir: options.pin_dir.clone(),
    };
    let control = control::Listener::bind(&options.socket)
        .with_context(|| format!("cannot listen at {}", options.socket.display()))?;
    let exec_path = exec_socket(&options.socket);
    let listener = seccomp::Listener::bind(&exec_path)?;

    let gateway = Arc::new(Gateway::new(server.clone(), Arc::clone(&namespaces)));
    programs.keep();
    tokio::spawn(listener.serve(gateway));
    tokio::spawn(control.serve(facts, server.clone()));
    tokio::spawn(keep_house(server.clone(), namespaces));
    tracing::info!(cgroup = %cgroup.display(), intercept = "seccomp", "ready");

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("ending; connections go on being balanced until sockvsd --detach-all");
    // Nobody shall find a socket at which nobody listens.
    for path in [&options.socket, &exec_path] {
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// Lets go of deleted destinations' counters and of sockets that nobody needs.
async fn keep_house(server: Server, namespaces: Arc<Namespaces>) {
    let started = Instant::now();
    loop {
        tokio::time::sleep(HOUSEKEEPING).await;
        namespaces.close_idle();
        server.expire_trash(started.elapsed());
    }
}

/// The cookie of the daemon's own network namespace.
fn own_namespace() -> io::Result<crate::ipvs::Namespace> {
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    crate::family::namespace_cookie(socket.as_fd()).map(crate::ipvs::Namespace)
}
