//! Rates: how fast a service's or a destination's counters grow, as the kernel estimates it
//! (`net/netfilter/ipvs/ip_vs_est.c`).
//!
//! Every two seconds the estimate moves a quarter of the way to the growth of the last two seconds.
//! It is a fixed-point number, so that it shows the same values as the kernel. Names that never
//! counted anything have no state.

use std::{collections::HashMap, hash::Hash, time::Duration};

use sockvs_ipvs::Stats;

/// How often rates are estimated.
pub const PERIOD: Duration = Duration::from_secs(2);

/// Fraction bits of rates of connections and packets, and of rates of bytes.
const COUNT_BITS: u32 = 10;
const BYTE_BITS: u32 = 5;

/// The estimates for all services or all destinations, by name.
#[derive(Debug)]
pub(crate) struct Rates<K> {
    estimators: HashMap<K, Estimator>,
    /// The first estimate takes existing counts as a base, as an earlier daemon counted them.
    begun: bool,
}

impl<K> Default for Rates<K> {
    fn default() -> Self {
        Self {
            estimators: HashMap::new(),
            begun: false,
        }
    }
}

/// `struct ip_vs_estimator`: each counter's last value and its rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Estimator {
    last: [u64; 5],
    rates: [u64; 5],
}

impl<K: Copy + Eq + Hash> Rates<K> {
    /// Updates the estimates with the current counters. Must be called every [`PERIOD`].
    pub(crate) fn estimate(&mut self, counted: impl Iterator<Item = (K, Stats)>) {
        let begun = std::mem::replace(&mut self.begun, true);
        for (key, stats) in counted {
            let now = counters(&stats);
            if now == [0; 5] {
                continue;
            }
            let estimator = self.estimators.entry(key).or_insert_with(|| Estimator {
                last: if begun { [0; 5] } else { now },
                rates: [0; 5],
            });
            estimator.move_to(now);
        }
    }

    /// Zeroes the counters and the rates (`ip_vs_zero_estimator`).
    pub(crate) fn zero(&mut self, key: &K) {
        if let Some(estimator) = self.estimators.get_mut(key) {
            *estimator = Estimator::default();
        }
    }

    /// Removes the state of this name.
    pub(crate) fn forget(&mut self, key: &K) {
        self.estimators.remove(key);
    }

    /// The counters with their rates (`ip_vs_read_estimator`).
    pub(crate) fn with_rates(&self, key: &K, stats: Stats) -> Stats {
        let Some(estimator) = self.estimators.get(key) else {
            return stats;
        };
        let [cps, inpps, outpps, inbps, outbps] = estimator.rates;
        Stats {
            cps: rounded(cps, COUNT_BITS),
            inpps: rounded(inpps, COUNT_BITS),
            outpps: rounded(outpps, COUNT_BITS),
            inbps: rounded(inbps, BYTE_BITS),
            outbps: rounded(outbps, BYTE_BITS),
            ..stats
        }
    }
}

impl Estimator {
    fn move_to(&mut self, now: [u64; 5]) {
        const BITS: [u32; 5] = [COUNT_BITS, COUNT_BITS, COUNT_BITS, BYTE_BITS, BYTE_BITS];
        let counters = now.iter().zip(&mut self.last).zip(&mut self.rates);
        for (((now, last), rate), bits) in counters.zip(BITS) {
            // Per second: half of the growth in two seconds.
            let growth = now.saturating_sub(*last) << (bits - 1);
            *last = *now;
            let step = (growth.cast_signed().wrapping_sub(rate.cast_signed())) >> 2;
            *rate = rate.wrapping_add_signed(step);
        }
    }
}

fn counters(stats: &Stats) -> [u64; 5] {
    [
        stats.conns,
        stats.inpkts,
        stats.outpkts,
        stats.inbytes,
        stats.outbytes,
    ]
}

/// A fixed-point number, rounded to the nearest whole number; halves are rounded up.
fn rounded(number: u64, bits: u32) -> u64 {
    (number + (1 << (bits - 1)) - 1) >> bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conns(conns: u64) -> Stats {
        Stats {
            conns,
            inbytes: conns * 100,
            ..Stats::default()
        }
    }

    #[test]
    fn a_steady_rate_is_approached_by_quarters_and_falls_by_quarters() {
        let mut rates = Rates::default();
        rates.estimate(std::iter::empty());
        let mut shown = Vec::new();
        for round in 1..=20 {
            rates.estimate([(1, conns(round * 200))].into_iter());
            shown.push(rates.with_rates(&1, Stats::default()).cps);
        }
        assert_eq!(shown[..4], [25, 44, 58, 68]);
        assert_eq!(shown[19], 100);
        assert_eq!(rates.with_rates(&1, Stats::default()).inbps, 9968);
        rates.estimate([(1, conns(4000))].into_iter());
        assert_eq!(rates.with_rates(&1, Stats::default()).cps, 75);
    }

    #[test]
    fn counts_of_an_earlier_daemon_are_not_growth() {
        let mut rates = Rates::default();
        rates.estimate([(1, conns(1_000_000))].into_iter());
        assert_eq!(rates.with_rates(&1, Stats::default()).cps, 0);
        rates.estimate([(1, conns(1_000_200)), (2, conns(200))].into_iter());
        for key in [1, 2] {
            assert_eq!(rates.with_rates(&key, Stats::default()).cps, 25, "{key}");
        }
    }

    #[test]
    fn zeroing_ends_a_rate() {
        let mut rates = Rates::default();
        rates.estimate(std::iter::empty());
        rates.estimate([(1, conns(200))].into_iter());
        rates.zero(&1);
        assert_eq!(rates.with_rates(&1, Stats::default()).cps, 0);
        rates.estimate([(1, conns(200))].into_iter());
        assert_eq!(rates.with_rates(&1, Stats::default()).cps, 25);
    }
}
