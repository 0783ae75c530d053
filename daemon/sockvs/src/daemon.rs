//! The daemon: creates its components, runs them, and stops them in order.

use std::{
    future::pending,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::MissedTickBehavior,
};

use sockvs_datapath::{
    self as datapath, Chores, Limits, MapUsage, Programs, RATES_PERIOD, Reaper, Templates,
    detach_all,
};
use sockvs_intercept_bpf as bpf;
use sockvs_intercept_seccomp as seccomp;
use sockvs_ipvs::{Ipvs, Namespace};
use sockvs_server::{
    control::Facts,
    genl::Namespaces,
    state::{IpvsState, Tables},
};
use sockvs_sys::{
    bpffs::PinDirectory,
    capabilities,
    cgroup::find_cgroup2,
    descriptors,
    netns::{NetnsWatcher, own_cookie},
    process, service_manager, socket_file,
};

use crate::{
    control::{self, exec_socket},
    intercept::{Gateway, Intercept, choose},
};

/// The interval of housekeeping.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// How long an idle blocking thread is kept. It is longer than `SWEEP`, as otherwise each sweep
/// would start a new thread.
const IDLE_THREAD: Duration = Duration::from_secs(2);

/// The time limit for requests that are being executed when the daemon stops.
const END: Duration = Duration::from_millis(500);

/// The interval of the sweep of persistence templates.
const SWEEP: Duration = Duration::from_secs(1);

/// The network namespaces in which the family is served to all clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Netns {
    /// The daemon's own network namespace; the others have the kernel's IPVS.
    Own,
    /// Every network namespace.
    All,
}

/// The options of the daemon.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which interceptor to use.
    pub intercept: Intercept,
    /// In which network namespaces.
    pub netns: Netns,
    /// Whether to remove services of the kernel's own IPVS there.
    pub replace_kernel_ipvs: bool,
    /// The cgroup whose connections are balanced; `None` for all processes.
    pub cgroup: Option<PathBuf>,
    /// Whether the services of its own namespace apply to all namespaces.
    pub node_wide: bool,
    /// The limits of services, servers and persistent clients.
    pub limits: Limits,
    /// Where maps and links are pinned.
    pub pin_dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
}

/// Removes what an earlier daemon left: everything that is pinned, and the sockets' files if the
/// daemon did not remove them.
///
/// # Errors
///
/// When a daemon runs on the pin directory, or a file cannot be removed.
pub fn detach(pin_dir: &Path, socket: &Path) -> Result<()> {
    detach_all(pin_dir)?;
    let exec = exec_socket(socket);
    for path in [socket, &exec, &seccomp::root_socket(&exec)] {
        socket_file::clear(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// Runs the daemon until it is stopped. Connections are still balanced afterwards.
///
/// # Errors
///
/// When it cannot start; each error says what to do about it.
pub fn run(options: &Options) -> Result<()> {
    descriptors::raise_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_keep_alive(IDLE_THREAD)
        .enable_all()
        .on_thread_start(|| {
            process::do_not_preempt();
            capabilities::keep_needed();
        })
        .build()
        .context("cannot start")?;
    let outcome = runtime.block_on(serve(options));
    // Threads that block on clients are abandoned.
    runtime.shutdown_background();
    outcome
}

async fn serve(options: &Options) -> Result<()> {
    // Registered first, so that a signal during the start is not lost.
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;

    if !capabilities::suffice() {
        bail!("sockvsd needs CAP_SYS_ADMIN and CAP_NET_ADMIN; run it as root");
    }
    let cgroup = match &options.cgroup {
        Some(cgroup) => cgroup.clone(),
        None => find_cgroup2()?,
    };
    let own_namespace = own_cookie()
        .map(Namespace)
        .context("cannot tell our own network namespace")?;
    let pins = PinDirectory::open(&options.pin_dir)?;
    let scope = match options.netns {
        Netns::Own => bpf::Scope::One(own_namespace),
        Netns::All => bpf::Scope::All,
    };
    let choice = choose(options.intercept, scope)?;
    if choice.hook.is_some() {
        bpf::clear_kernel_table(scope, options.replace_kernel_ipvs)?;
    }
    let node_wide = options.node_wide.then_some(own_namespace);
    let mut programs = Programs::attach(pins, &cgroup, node_wide, &options.limits)?;
    let (mut path, chores) = datapath::open(&mut programs, options.limits)?;
    let Chores {
        templates,
        reaper,
        usage,
    } = chores;
    let usage = Arc::new(usage);
    let mut ipvs = Ipvs::new();
    let restored = datapath::restore(&mut path, &mut ipvs)?;
    if restored > 0 {
        tracing::info!(services = restored, "taken over from an earlier daemon");
    }
    let state = IpvsState::new(Tables {
        ipvs,
        path: Box::new(path),
    });
    let namespaces = Arc::new(Namespaces::default());

    let control = control::Listener::bind(&options.socket)
        .with_context(|| format!("cannot listen at {}", options.socket.display()))?;
    let exec_path = exec_socket(&options.socket);
    let listener = seccomp::Listener::bind(&exec_path)?;
    let watcher = NetnsWatcher::listen(own_namespace).context("cannot watch network namespaces")?;
    let watcher = Arc::new(watcher);
    let restored: Vec<_> = state.lock().ipvs.namespaces().collect();
    let adopted = watcher.adopt(restored);
    for namespace in adopted.lost {
        state.remove_namespace(namespace);
    }
    state.set_owners(adopted.owners);
    let gateway = Gateway::new(state.clone(), Arc::clone(&namespaces), Arc::clone(&watcher));
    let gateway = Arc::new(gateway);
    let facts = Facts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        intercept: choice.name().to_owned(),
        intercept_reason: choice.reason.clone(),
        cgroup: cgroup.clone(),
        node_wide: options.node_wide,
        pin_dir: options.pin_dir.clone(),
    };
    let (name, reason) = (choice.name(), choice.reason);
    let mut interceptor = match choice.hook {
        Some(hook) => Some(bpf::Interceptor::start(
            hook,
            Arc::<Gateway>::clone(&gateway),
        )?),
        None => None,
    };
    programs.keep();
    let gateway: Arc<dyn seccomp::Handler> = gateway;
    let exec_service = listener
        .serve(&gateway)
        .context("cannot serve sockvs exec")?;
    tokio::spawn(control.serve(
        facts,
        state.clone(),
        Arc::clone(&watcher),
        Arc::clone(&usage),
    ));
    tokio::spawn(housekeeping(state.clone(), namespaces));
    tokio::spawn(estimate(state.clone()));
    tokio::spawn(sweep(templates));
    if let Some(reaper) = reaper {
        tokio::spawn(reap(reaper, Arc::clone(&usage)));
    }
    tokio::spawn(reap_netns(state.clone(), watcher));
    tokio::spawn(watchdog(state.clone()));
    capabilities::keep_needed();
    trim_memory();
    service_manager::ready();
    tracing::info!(cgroup = %cgroup.display(), intercept = name, "ready: {reason}");

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        error = failed(&mut interceptor) => {
            return Err(error).context("no requests come in any more");
        }
    }
    service_manager::stopping();
    drop(interceptor);
    // Not from within a runtime.
    let _ = thread::spawn(|| exec_service.end_within(END)).join();
    tracing::info!("ending; connections go on being balanced until sockvsd --detach-all");
    // The files are removed so that no client finds a socket on which no process listens.
    for path in [
        &options.socket,
        &exec_path,
        &seccomp::root_socket(&exec_path),
    ] {
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// Returns memory that only loading the programs needed to the system. The allocator would keep it
/// for the main thread, which allocates next to nothing from now on.
fn trim_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the function may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Waits until the interceptor fails, if there is one.
async fn failed(interceptor: &mut Option<bpf::Interceptor>) -> io::Error {
    match interceptor {
        Some(interceptor) => interceptor.failed().await,
        None => pending().await,
    }
}

/// Expires deleted destinations' counters, closes idle sockets, and logs the counts of suppressed
/// log lines.
async fn housekeeping(state: IpvsState, namespaces: Arc<Namespaces>) {
    let started = Instant::now();
    loop {
        tokio::time::sleep(HOUSEKEEPING).await;
        namespaces.close_idle();
        state.expire_trash(started.elapsed());
        state.audit_log().flush();
    }
}

/// Reports to the service manager that the daemon is alive, as long as the table can be locked: if
/// locking blocks forever, it no longer reports.
async fn watchdog(state: IpvsState) {
    let Some(pause) = service_manager::asks_every() else {
        return;
    };
    loop {
        drop(state.lock());
        service_manager::alive();
        tokio::time::sleep(pause).await;
    }
}

/// Updates the rates periodically.
async fn estimate(state: IpvsState) {
    let mut tick = tokio::time::interval(RATES_PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        state.estimate();
    }
}

/// Removes expired persistence templates, in a small share of the CPU time.
async fn sweep(mut templates: Templates) {
    loop {
        let start = Instant::now();
        let swept = tokio::task::spawn_blocking(move || {
            let result = templates.sweep();
            (templates, result)
        });
        let Ok((returned, result)) = swept.await else {
            return;
        };
        templates = returned;
        if let Err(error) = result {
            tracing::warn!(%error, "clients of persistent services cannot be counted");
        }
        tokio::time::sleep(SWEEP.max(start.elapsed() * 20)).await;
    }
}

/// Frees the entries of closed sockets, in at most a fifth of the time, and logs maps that become
/// full.
async fn reap(mut reaper: Reaper, usage: Arc<MapUsage>) {
    loop {
        let start = Instant::now();
        let usage = Arc::clone(&usage);
        let reaped = tokio::task::spawn_blocking(move || {
            if let Err(error) = usage.watch() {
                tracing::warn!(%error, "cannot read how much room is left in the maps");
            }
            let result = reaper.reap();
            (reaper, result)
        });
        let Ok((returned, result)) = reaped.await else {
            return;
        };
        reaper = returned;
        if let Err(error) = result {
            tracing::warn!(%error, "entries of sockets that are gone are not freed");
        }
        tokio::time::sleep(HOUSEKEEPING.max(start.elapsed() * 4)).await;
    }
}

/// Removes the tables of namespaces that have ended.
async fn reap_netns(state: IpvsState, watcher: Arc<NetnsWatcher>) {
    loop {
        match watcher.next().await {
            Ok(ended) => ended
                .into_iter()
                .for_each(|namespace| state.remove_namespace(namespace)),
            Err(error) => {
                tracing::warn!(%error, "the end of network namespaces is not noticed any more");
                return;
            }
        }
    }
}
