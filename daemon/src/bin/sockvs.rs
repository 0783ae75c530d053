//! The command line.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use sockvs::{
    control::{DEFAULT_SOCKET, Status, ask_status, exec_socket},
    doctor::{self, Outcome},
    intercept::seccomp,
};

/// Looks at a running sockvsd, and runs IPVS clients that it serves.
#[derive(Parser)]
#[command(name = "sockvs", version, about, max_term_width = 100)]
struct Arguments {
    /// The daemon's control socket.
    #[arg(long, global = true, value_name = "PATH", default_value = DEFAULT_SOCKET, env = "SOCKVS_SOCKET")]
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
    /// Look at what this machine allows, and say what to do about what is missing.
    Doctor {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let Arguments { socket, command } = Arguments::parse();
    match command {
        Command::Exec { command } => exec(&command, &socket),
        Command::Status { json } => status(&socket, json),
        Command::Doctor { json } => examine(&socket, json),
    }
}

fn exec(command: &[OsString], socket: &Path) -> ExitCode {
    let error = seccomp::exec(command, &exec_socket(socket));
    eprintln!("sockvs: {error}");
    ExitCode::from(error.exit_code())
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
