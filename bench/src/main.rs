//! What sockvs costs: measured beside direct connections, and beside what balances packets.
//!
//! The subcommand `measure` (`run`) measures and writes lines of JSON, `report` reads them and
//! makes tables, a document and plots. The other subcommands are the parts of this program that run
//! elsewhere: clients and servers in the namespaces of a `lab`. `balancers` are the ways of
//! balancing, `workloads` what clients do, which `data_path` measures; `control` measures clients
//! that program services; `hooks` and `memory` look at sockvs from inside. `scripts/bench` puts it
//! together, here or in a virtual machine.

mod balancers;
mod config;
mod control;
mod data_path;
mod effort;
mod figure;
mod hooks;
mod interrupt;
mod lab;
mod memory;
mod output;
mod process;
mod report;
mod run;
mod services;
mod stand;
mod statistics;
mod traffic;
mod workloads;

use std::{panic, process::ExitCode};

use anyhow::Result;
use clap::Parser;

/// Measures what sockvs costs.
#[derive(Parser)]
#[command(name = "sockvs-bench", max_term_width = 100)]
enum Arguments {
    /// Measure; lines of JSON go to the standard output.
    Measure(config::Options),
    /// Read such lines, and print tables.
    Report(report::Options),
    /// Make connections. Not for people.
    #[command(hide = true)]
    Client,
    /// Serve. Not for people.
    #[command(hide = true)]
    Serve {
        kind: traffic::server::Kind,
        port: u16,
    },
    /// Tell when there are so many services. Not for people.
    #[command(hide = true)]
    AwaitServices,
}

fn main() -> ExitCode {
    // What the parts shared with the tests cannot do, they tell by a panic.
    match panic::catch_unwind(|| run(Arguments::parse())) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        _ if interrupt::requested() => {
            eprintln!("bench: interrupted");
            ExitCode::from(130)
        }
        Ok(Err(error)) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(arguments: Arguments) -> Result<()> {
    match arguments {
        Arguments::Measure(options) => run::run(&options),
        Arguments::Report(options) => report::report(&options),
        Arguments::Client => Ok(traffic::client::run()?),
        Arguments::Serve { kind, port } => Ok(traffic::server::serve(kind, port)?),
        Arguments::AwaitServices => Ok(control::await_services()?),
    }
}
