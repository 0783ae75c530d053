//! The command line.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use nix::sys::signal::{SigHandler, Signal, signal};
use sockvs::{
    connections,
    control::{
        self, DEFAULT_SOCKET, ask_connections, ask_file, ask_setting, ask_status, change_setting,
        exec_socket,
    },
    doctor::{self, Outcome},
    intercept, shim,
};
use sockvs_intercept_seccomp as seccomp;
use sockvs_ipvs::Setting;
use sockvs_server::{control::Status, procfs::File};

/// Looks at a running sockvsd, and runs IPVS clients that it serves.
#[derive(Parser)]
#[command(name = "sockvs", version, about, max_term_width = 100)]
struct Arguments {
    /// The daemon's control socket.
    #[arg(long, global = true, value_name = "PATH")]
    #[arg(default_value = DEFAULT_SOCKET, env = "SOCKVS_SOCKET")]
    socket: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a command whose IPVS calls, and those of its children, sockvsd answers.
    ///
    /// Example: sockvs exec -- ipvsadm -A -t 10.0.0.1:80 -s rr
    Exec {
        /// Let the daemon answer for the files of IPVS in /proc/net and /proc/sys/net/ipv4/vs, too,
        /// for reading. Every opening of any file then takes some microseconds longer.
        #[arg(long)]
        proc: bool,
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Show what the daemon does.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the open connections that go through services.
    Connections {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print what a file of IPVS in /proc/net would say in this network namespace.
    ///
    /// Example: sockvs proc ip_vs_stats
    Proc {
        /// The file's name.
        #[arg(default_value = "ip_vs", value_parser = file)]
        file: File,
        /// Write all of them into this folder instead.
        #[arg(long, value_name = "DIR", conflicts_with = "file")]
        write_to: Option<PathBuf>,
    },
    /// Show or change settings of this network namespace (net.ipv4.vs.*).
    ///
    /// Example: sockvs sysctl conn_reuse_mode=0
    #[command(visible_alias = "setting")]
    Sysctl {
        /// A setting to show, or to change; all of them are shown if none is given.
        #[arg(value_name = "NAME[=VALUE]", value_parser = assignment)]
        settings: Vec<(Setting, Option<String>)>,
    },
    /// Make plain `ipvsadm` and the like run under sockvs exec, where the kernel needs that.
    ///
    /// A shim is a script that stands before the program on PATH.
    Shim {
        /// The folder with the shims. It has to come first on PATH.
        #[arg(long, global = true, value_name = "DIR", default_value = shim::DEFAULT_DIR)]
        dir: PathBuf,
        #[command(subcommand)]
        action: ShimAction,
    },
    /// Look at what this machine allows, and say what to do about what is missing.
    Doctor {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum ShimAction {
    /// Make shims. Nothing is made where sockvsd serves all clients anyway.
    ///
    /// Example: sockvs shim install ipvsadm
    Install {
        /// Make them even so.
        #[arg(long)]
        force: bool,
        /// The programs' names.
        #[arg(required = true)]
        programs: Vec<OsString>,
    },
    /// Remove shims.
    Remove {
        /// The programs' names.
        #[arg(required = true)]
        programs: Vec<OsString>,
    },
    /// List the shims there are.
    List,
}

fn main() -> ExitCode {
    let Arguments { socket, command } = Arguments::parse();
    if !matches!(command, Command::Exec { .. }) {
        end_with_the_reader();
    }
    match command {
        Command::Exec { proc, command } => exec(&command, &socket, proc),
        Command::Status { json } => status(&socket, json),
        Command::Connections { json } => exit(show_connections(&socket, json)),
        Command::Proc { file, write_to } => exit(files(&socket, file, write_to.as_deref())),
        Command::Sysctl { settings } => exit(show_settings(&socket, &settings)),
        Command::Shim { dir, action } => exit(shims(&socket, &dir, &action)),
        Command::Doctor { json } => examine(&socket, json),
    }
}

/// Lets a closed pipe end this process, as it ends other commands: `sockvs status | head`. Not for
/// `exec`, whose supervisor would end with the daemon.
fn end_with_the_reader() {
    // SAFETY: the default action runs no code of ours.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
}

fn exec(command: &[OsString], socket: &Path, proc: bool) -> ExitCode {
    let files = if proc {
        seccomp::Files::Ours
    } else {
        seccomp::Files::Kernels
    };
    let error = seccomp::exec(command, &exec_socket(socket), files);
    eprintln!("sockvs: {error}");
    ExitCode::from(error.exit_code())
}

fn exit(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sockvs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn file(name: &str) -> Result<File, String> {
    File::from_name(name).ok_or_else(|| {
        let names: Vec<_> = File::ALL.iter().map(|file| file.name()).collect();
        format!("there is no such file; there are {}", names.join(", "))
    })
}

/// Parses `NAME`, `NAME=VALUE`, and both with the prefix that sysctl uses.
fn assignment(text: &str) -> Result<(Setting, Option<String>), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    let name = name.trim();
    let name = name.strip_prefix("net.ipv4.vs.").unwrap_or(name);
    let setting = Setting::from_name(name).ok_or("there is no such setting")?;
    Ok((setting, value))
}

fn files(socket: &Path, file: File, folder: Option<&Path>) -> Result<(), String> {
    let ask = |file| ask_file(socket, file).map_err(|error: control::Error| error.to_string());
    let Some(folder) = folder else {
        print!("{}", ask(file)?);
        return Ok(());
    };
    for file in File::ALL {
        let path = folder.join(file.name());
        std::fs::write(&path, ask(*file)?)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}

fn show_settings(socket: &Path, settings: &[(Setting, Option<String>)]) -> Result<(), String> {
    let all: Vec<_> = Setting::ALL
        .iter()
        .map(|setting| (*setting, None))
        .collect();
    let settings = if settings.is_empty() { &all } else { settings };
    for (setting, value) in settings {
        let text = match value {
            Some(value) => change_setting(socket, *setting, value),
            None => ask_setting(socket, *setting),
        };
        let text = text.map_err(|error| error.to_string())?;
        println!("net.ipv4.vs.{} = {text}", setting.name());
    }
    Ok(())
}

fn shims(socket: &Path, dir: &Path, action: &ShimAction) -> Result<(), String> {
    let failed = |error: shim::Error| error.to_string();
    match action {
        ShimAction::Install { force, programs } => {
            if !force && let Some(why) = clients_are_served(socket) {
                println!("not needed: {why}. Nothing was made; --force makes it all the same");
                return Ok(());
            }
            let socket = (socket != Path::new(DEFAULT_SOCKET)).then_some(socket);
            for program in programs {
                let made = shim::install(program, dir, socket).map_err(failed)?;
                println!(
                    "{} runs {} under sockvs exec",
                    made.path.display(),
                    made.program.display()
                );
                if !made.comes_first() {
                    println!(
                        "PATH does not lead there first: put {} before the others",
                        dir.display()
                    );
                }
            }
        }
        ShimAction::Remove { programs } => {
            for program in programs {
                println!(
                    "removed {}",
                    shim::remove(program, dir).map_err(failed)?.display()
                );
            }
        }
        ShimAction::List => {
            for shim in shim::list(dir).map_err(failed)? {
                println!("{} -> {}", shim.path.display(), shim.program.display());
            }
        }
    }
    Ok(())
}

/// Why clients need no `sockvs exec` here, if they do not: the answer of a running daemon, or
/// otherwise the result of probing the kernel.
fn clients_are_served(socket: &Path) -> Option<&'static str> {
    match ask_status(socket) {
        Ok(status) => (status.facts.intercept == "bpf")
            .then_some("sockvsd serves all clients, wrapped or not"),
        Err(_) => intercept::support::bpf()
            .is_ok()
            .then_some("sockvsd will serve all clients on this kernel, wrapped or not"),
    }
}

fn show_connections(socket: &Path, json: bool) -> Result<(), String> {
    let entries = ask_connections(socket).map_err(|error| error.to_string())?;
    let shown = connections::find_clients(entries);
    if json {
        let text = serde_json::to_string_pretty(&shown).map_err(|error| error.to_string())?;
        println!("{text}");
    } else {
        print!("{}", connections::table(&shown));
    }
    Ok(())
}

fn status(socket: &Path, json: bool) -> ExitCode {
    let status = match ask_status(socket) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("sockvs: {error}");
            return ExitCode::FAILURE;
        }
    };
    if json {
        match serde_json::to_string_pretty(&status) {
            Ok(text) => println!("{text}"),
            Err(error) => {
                eprintln!("sockvs: {error}");
                return ExitCode::FAILURE;
            }
        }
    } else {
        print_status(&status);
    }
    ExitCode::SUCCESS
}

fn print_status(status: &Status) {
    let facts = &status.facts;
    println!("sockvsd {}, process id {}", facts.version, facts.pid);
    println!(
        "requests     {}: {}",
        facts.intercept, facts.intercept_reason
    );
    let scope = if facts.node_wide {
        ", services hold in every namespace"
    } else {
        ""
    };
    println!("connections  of cgroup {}{scope}", facts.cgroup.display());
    println!("pinned       {}", facts.pin_dir.display());
    for room in &status.room {
        println!("room         {} of {} {}", room.used, room.most, room.of);
    }
    if status.namespaces.is_empty() {
        println!("no services yet");
        return;
    }
    println!(
        "{:>10} {:>10} {:>13} {:>12}",
        "namespace", "services", "destinations", "connections"
    );
    for ns in &status.namespaces {
        println!(
            "{:>10} {:>10} {:>13} {:>12}",
            ns.cookie, ns.services, ns.destinations, ns.connections
        );
    }
}

fn examine(socket: &Path, json: bool) -> ExitCode {
    let checks = doctor::examine(socket);
    if json {
        match serde_json::to_string_pretty(&checks) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("sockvs: {error}"),
        }
    } else {
        for check in &checks {
            println!("{check}");
        }
    }
    if checks.iter().any(|check| check.outcome == Outcome::Missing) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
