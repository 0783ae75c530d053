//! redis-benchmark: small requests on connections that stay open.

use std::{
    net::{SocketAddr, TcpStream},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::workload::Workload;
use crate::{
    effort::Effort,
    figure::{Clock, Unit},
    lab::Lab,
    process,
    services::{Aim, REDIS_PORT, SERVERS},
    traffic::{Ends, Server},
};

/// How long a server may take to start.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) struct Redis;

impl Workload for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn title(&self) -> &'static str {
        "redis on established connections (redis-benchmark -c 20 -t ping_mbulk)"
    }

    fn unit(&self) -> Unit {
        Unit::PerSecond
    }

    fn wants(&self, services: u32) -> bool {
        services == 1
    }

    fn serve(&self, lab: &Lab) -> Result<Box<dyn Server>> {
        let mut command = lab.server_place().command("redis-server");
        command
            .args(["--port", &REDIS_PORT.to_string(), "--bind", "0.0.0.0"])
            .args(["--protected-mode", "no", "--save", "", "--appendonly", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let server = RedisServer(command.spawn().context("cannot start redis-server")?);
        let address = SocketAddr::from((SERVERS[0], REDIS_PORT));
        let start = Instant::now();
        while lab.server.enter(|| TcpStream::connect(address)).is_err() {
            if start.elapsed() > LIMIT {
                bail!("redis-server does not listen at {address}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Box::new(server))
    }

    fn measure(&self, lab: &Lab, _ends: &mut Ends, aim: Aim, effort: Effort) -> Result<f64> {
        let times = effort.times(match effort.clock {
            Clock::Real => 100_000,
            Clock::Instructions => 20_000,
        });
        let mut benchmark = lab.client_place().command("redis-benchmark");
        benchmark
            .args(["-h", &aim.first.to_string(), "-p", &REDIS_PORT.to_string()])
            .args(["-c", "20", "-t", "ping_mbulk", "--csv"])
            .args(["-n", &times.to_string()]);
        let output = process::output(benchmark)?;
        output
            .lines()
            .filter_map(|line| line.strip_prefix("\"PING_MBULK\",\""))
            .find_map(|rest| rest.split('"').next()?.parse().ok())
            .with_context(|| format!("redis-benchmark does not tell a rate:\n{output}"))
    }
}

struct RedisServer(Child);

impl Server for RedisServer {}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
