// SPDX-License-Identifier: GPL-2.0-only

//! Statistics of a service or a destination, in the kernel's two forms.
//!
//! Every service and every destination is sent with both forms: `*_ATTR_STATS`, in which all
//! counters except the bytes have 32 bits and wrap, then `*_ATTR_STATS64` (since Linux 4.1). They
//! use the same attribute types, so the length of a payload determines the width. Source:
//! `ip_vs_genl_fill_stats` and `ip_vs_genl_fill_stats64` in `net/netfilter/ipvs/ip_vs_ctl.c`.

use netlink_packet_core::{DecodeError, DefaultNla, ErrorContext, Nla, NlaBuffer, Parseable};

use crate::{bytes, constants::*, unknown};

/// A counter or a rate, and its width on the wire. Native byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// In `*_ATTR_STATS`, except for the bytes.
    U32(u32),
    /// In `*_ATTR_STATS64`, and the bytes in both.
    U64(u64),
}

impl Counter {
    /// The number, of either width.
    pub fn get(self) -> u64 {
        match self {
            Self::U32(number) => number.into(),
            Self::U64(number) => number,
        }
    }

    /// The low 32 bits, like the kernel's `(u32)` cast.
    pub(crate) fn low(number: u64) -> u32 {
        u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX)
    }

    fn parse(payload: &[u8]) -> Result<Self, DecodeError> {
        if payload.len() < 8 {
            bytes::get_u32(payload).map(Self::U32)
        } else {
            bytes::get_u64(payload).map(Self::U64)
        }
    }

    fn len(self) -> usize {
        match self {
            Self::U32(_) => 4,
            Self::U64(_) => 8,
        }
    }

    fn emit(self, buffer: &mut [u8]) {
        match self {
            Self::U32(number) => buffer.copy_from_slice(&number.to_ne_bytes()),
            Self::U64(number) => buffer.copy_from_slice(&number.to_ne_bytes()),
        }
    }
}

/// One attribute of a statistics nest: `IPVS_STATS_ATTR_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatsAttr {
    /// Connections scheduled.
    Conns(Counter),
    /// Incoming packets.
    InPkts(Counter),
    /// Outgoing packets.
    OutPkts(Counter),
    /// Incoming bytes.
    InBytes(Counter),
    /// Outgoing bytes.
    OutBytes(Counter),
    /// Connections per second, averaged.
    Cps(Counter),
    /// Incoming packets per second, averaged.
    InPps(Counter),
    /// Outgoing packets per second, averaged.
    OutPps(Counter),
    /// Incoming bytes per second, averaged.
    InBps(Counter),
    /// Outgoing bytes per second, averaged.
    OutBps(Counter),
    /// Empty padding before a 64-bit number, on architectures that require alignment. On x86-64 and
    /// arm64 the kernel sends none.
    Pad,
    /// An unknown attribute.
    Other(DefaultNla),
}

impl StatsAttr {
    fn counter(&self) -> Option<Counter> {
        match self {
            Self::Conns(v)
            | Self::InPkts(v)
            | Self::OutPkts(v)
            | Self::InBytes(v)
            | Self::OutBytes(v)
            | Self::Cps(v)
            | Self::InPps(v)
            | Self::OutPps(v)
            | Self::InBps(v)
            | Self::OutBps(v) => Some(*v),
            Self::Pad | Self::Other(_) => None,
        }
    }
}

impl Nla for StatsAttr {
    fn value_len(&self) -> usize {
        match self {
            Self::Other(v) => v.value_len(),
            counter => counter.counter().map_or(0, Counter::len),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Conns(_) => IPVS_STATS_ATTR_CONNS,
            Self::InPkts(_) => IPVS_STATS_ATTR_INPKTS,
            Self::OutPkts(_) => IPVS_STATS_ATTR_OUTPKTS,
            Self::InBytes(_) => IPVS_STATS_ATTR_INBYTES,
            Self::OutBytes(_) => IPVS_STATS_ATTR_OUTBYTES,
            Self::Cps(_) => IPVS_STATS_ATTR_CPS,
            Self::InPps(_) => IPVS_STATS_ATTR_INPPS,
            Self::OutPps(_) => IPVS_STATS_ATTR_OUTPPS,
            Self::InBps(_) => IPVS_STATS_ATTR_INBPS,
            Self::OutBps(_) => IPVS_STATS_ATTR_OUTBPS,
            Self::Pad => IPVS_STATS_ATTR_PAD,
            Self::Other(v) => v.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::Other(v) => v.emit_value(buffer),
            counter => {
                if let Some(v) = counter.counter() {
                    v.emit(buffer);
                }
            }
        }
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> Parseable<NlaBuffer<&'a T>> for StatsAttr {
    fn parse(nla: &NlaBuffer<&'a T>) -> Result<Self, DecodeError> {
        let variant = match nla.kind() {
            IPVS_STATS_ATTR_CONNS => Self::Conns,
            IPVS_STATS_ATTR_INPKTS => Self::InPkts,
            IPVS_STATS_ATTR_OUTPKTS => Self::OutPkts,
            IPVS_STATS_ATTR_INBYTES => Self::InBytes,
            IPVS_STATS_ATTR_OUTBYTES => Self::OutBytes,
            IPVS_STATS_ATTR_CPS => Self::Cps,
            IPVS_STATS_ATTR_INPPS => Self::InPps,
            IPVS_STATS_ATTR_OUTPPS => Self::OutPps,
            IPVS_STATS_ATTR_INBPS => Self::InBps,
            IPVS_STATS_ATTR_OUTBPS => Self::OutBps,
            IPVS_STATS_ATTR_PAD => return Ok(Self::Pad),
            _ => return unknown::parse(nla).map(Self::Other),
        };
        Counter::parse(nla.value())
            .map(variant)
            .with_context(|| format!("invalid IPVS_STATS_ATTR {}", nla.kind()))
    }
}

/// The statistics of a service or a destination, as the kernel counts them (`struct ip_vs_kstats`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections scheduled.
    pub conns: u64,
    /// Incoming packets.
    pub inpkts: u64,
    /// Outgoing packets.
    pub outpkts: u64,
    /// Incoming bytes.
    pub inbytes: u64,
    /// Outgoing bytes.
    pub outbytes: u64,
    /// Connections per second.
    pub cps: u64,
    /// Incoming packets per second.
    pub inpps: u64,
    /// Outgoing packets per second.
    pub outpps: u64,
    /// Incoming bytes per second.
    pub inbps: u64,
    /// Outgoing bytes per second.
    pub outbps: u64,
}

impl Stats {
    /// The payload of `*_ATTR_STATS`, in the kernel's order. Numbers are truncated to 32 bits.
    pub fn to_attrs32(&self) -> Vec<StatsAttr> {
        self.to_attrs(|number| Counter::U32(Counter::low(number)))
    }

    /// The payload of `*_ATTR_STATS64`, in the kernel's order.
    pub fn to_attrs64(&self) -> Vec<StatsAttr> {
        self.to_attrs(Counter::U64)
    }

    fn to_attrs(self, counter: impl Fn(u64) -> Counter) -> Vec<StatsAttr> {
        vec![
            StatsAttr::Conns(counter(self.conns)),
            StatsAttr::InPkts(counter(self.inpkts)),
            StatsAttr::OutPkts(counter(self.outpkts)),
            StatsAttr::InBytes(Counter::U64(self.inbytes)),
            StatsAttr::OutBytes(Counter::U64(self.outbytes)),
            StatsAttr::Cps(counter(self.cps)),
            StatsAttr::InPps(counter(self.inpps)),
            StatsAttr::OutPps(counter(self.outpps)),
            StatsAttr::InBps(counter(self.inbps)),
            StatsAttr::OutBps(counter(self.outbps)),
        ]
    }

    /// The numbers of a parsed nest of either form. Missing ones are zero.
    pub fn from_attrs(attributes: &[StatsAttr]) -> Self {
        let mut stats = Self::default();
        for attribute in attributes {
            match attribute {
                StatsAttr::Conns(v) => stats.conns = v.get(),
                StatsAttr::InPkts(v) => stats.inpkts = v.get(),
                StatsAttr::OutPkts(v) => stats.outpkts = v.get(),
                StatsAttr::InBytes(v) => stats.inbytes = v.get(),
                StatsAttr::OutBytes(v) => stats.outbytes = v.get(),
                StatsAttr::Cps(v) => stats.cps = v.get(),
                StatsAttr::InPps(v) => stats.inpps = v.get(),
                StatsAttr::OutPps(v) => stats.outpps = v.get(),
                StatsAttr::InBps(v) => stats.inbps = v.get(),
                StatsAttr::OutBps(v) => stats.outbps = v.get(),
                StatsAttr::Pad | StatsAttr::Other(_) => {}
            }
        }
        stats
    }
}
