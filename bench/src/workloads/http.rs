//! wrk with a connection for each request, against a server that does next to nothing else.

use anyhow::{Context as _, Result, anyhow};

use super::workload::Workload;
use crate::{
    effort::Effort,
    figure::{Clock, Unit},
    lab::Lab,
    process,
    services::{Aim, HTTP_PORT},
    traffic::{self, Ends, Server},
};

pub(super) struct Http;

impl Workload for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn title(&self) -> &'static str {
        "HTTP without keep-alive (wrk -c 10)"
    }

    fn unit(&self) -> Unit {
        Unit::PerSecond
    }

    fn wants(&self, services: u32) -> bool {
        services == 1
    }

    fn serve(&self, lab: &Lab) -> Result<Box<dyn Server>> {
        traffic::serve(lab, traffic::server::Kind::Http, HTTP_PORT)
    }

    fn measure(&self, lab: &Lab, _ends: &mut Ends, aim: Aim, effort: Effort) -> Result<f64> {
        let seconds = match effort.clock {
            Clock::Real if !effort.quick => "2s",
            _ => "1s",
        };
        let mut wrk = lab.client_place().command("wrk");
        wrk.args([
            "--threads",
            "1",
            "--connections",
            "10",
            "--duration",
            seconds,
        ])
        .args(["--header", "Connection: close"])
        .arg(format!("http://{}:{HTTP_PORT}/", aim.first));
        let output = process::output(wrk)?;
        let errors = output.lines().find(|line| {
            line.trim_start().starts_with("Socket errors") || line.contains("Non-2xx")
        });
        if let Some(errors) = errors {
            return Err(anyhow!("wrk: {}", errors.trim()));
        }
        output
            .lines()
            .find_map(|line| line.strip_prefix("Requests/sec:"))
            .and_then(|rate| rate.trim().parse().ok())
            .with_context(|| format!("wrk does not tell a rate:\n{output}"))
    }
}
