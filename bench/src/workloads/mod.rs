//! What clients do, measured for each way of balancing.

mod connect;
mod datagrams;
mod http;
mod redis;
mod workload;

pub(crate) use workload::Workload;

/// All of them.
pub(crate) fn all() -> Vec<Box<dyn Workload>> {
    vec![
        Box::new(redis::Redis),
        Box::new(connect::Connect { past: false }),
        Box::new(connect::Connect { past: true }),
        Box::new(datagrams::Datagrams::Ask),
        Box::new(datagrams::Datagrams::Exchange),
        Box::new(http::Http),
    ]
}
