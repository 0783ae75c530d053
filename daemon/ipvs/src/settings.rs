//! The sysctls of a namespace (`net.ipv4.vs.*`): their names, defaults and ranges (`vs_vars` in
//! `net/netfilter/ipvs/ip_vs_ctl.c`, Linux 6.1).
//!
//! They are stored here for the data path. Most have no effect, as no packets are processed;
//! clients can set them nevertheless.

use std::collections::BTreeMap;

/// The range of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    /// Any `int`.
    Number,
    /// From 0 to this limit.
    UpTo(i64),
    /// 1, 2, 4, …
    PowerOfTwo,
    /// Any `unsigned long`, up to the maximum of an `i64`.
    Long,
    /// Two non-negative numbers, the second 0 or greater than the first.
    Threshold,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $default:tt $range:expr,)*) => {
        /// A sysctl.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Setting {
            $($(#[$doc])* $variant,)*
        }

        impl Setting {
            /// All sysctls, in the kernel's order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in `/proc/sys/net/ipv4/vs`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            fn default(self) -> &'static [i64] {
                match self {
                    $(Self::$variant => &$default,)*
                }
            }

            fn range(self) -> Range {
                match self {
                    $(Self::$variant => $range,)*
                }
            }
        }
    };
}

settings! {
    /// Pages of free memory below which the defences start.
    Amemthresh = "amemthresh" [1024] Range::Number,
    /// One packet in this many is dropped, when the defence is always on.
    AmDroprate = "am_droprate" [10] Range::Number,
    /// When to drop connection entries.
    DropEntry = "drop_entry" [0] Range::UpTo(3),
    /// When to drop packets.
    DropPacket = "drop_packet" [0] Range::UpTo(3),
    /// Use connection tracking for connections.
    Conntrack = "conntrack" [0] Range::Number,
    /// When to use shorter TCP timeouts.
    SecureTcp = "secure_tcp" [0] Range::UpTo(3),
    /// Look up the route of replies again.
    SnatReroute = "snat_reroute" [1] Range::Number,
    /// The version of the sync protocol.
    SyncVersion = "sync_version" [1] Range::UpTo(1),
    /// Threads of each sync daemon.
    SyncPorts = "sync_ports" [1] Range::PowerOfTwo,
    /// Synchronize persistent connections less often.
    SyncPersistMode = "sync_persist_mode" [0] Range::Number,
    /// The longest queue of a sync daemon. The kernel's default depends on the machine's memory;
    /// this one is for 1 GiB.
    SyncQlenMax = "sync_qlen_max" [8192] Range::Long,
    /// The socket buffer of a sync daemon.
    SyncSockSize = "sync_sock_size" [0] Range::Number,
    /// Bypass the cache if no server is left.
    CacheBypass = "cache_bypass" [0] Range::Number,
    /// End connections when their server is deleted.
    ExpireNodestConn = "expire_nodest_conn" [0] Range::Number,
    /// Accept TCP connections without a SYN.
    SloppyTcp = "sloppy_tcp" [0] Range::Number,
    /// Accept SCTP associations without an INIT.
    SloppySctp = "sloppy_sctp" [0] Range::Number,
    /// Ignore the persistence template of a server whose weight is 0.
    ExpireQuiescentTemplate = "expire_quiescent_template" [0] Range::Number,
    /// From which packet on, and every how many packets, connections are synchronized.
    SyncThreshold = "sync_threshold" [3, 50] Range::Threshold,
    /// How often, in seconds, an unchanged connection is synchronized.
    SyncRefreshPeriod = "sync_refresh_period" [0] Range::UpTo(i32::MAX as i64 / super::HZ as i64),
    /// How often a sync message is repeated.
    SyncRetries = "sync_retries" [0] Range::UpTo(3),
    /// Send ICMP errors to masqueraded servers.
    NatIcmpSend = "nat_icmp_send" [0] Range::Number,
    /// Path MTU discovery for tunnels.
    PmtuDisc = "pmtu_disc" [1] Range::Number,
    /// A backup does not forward packets.
    BackupOnly = "backup_only" [0] Range::Number,
    /// How to handle a connection whose client reuses its port.
    ConnReuseMode = "conn_reuse_mode" [1] Range::Number,
    /// Schedule ICMP messages, too.
    ScheduleIcmp = "schedule_icmp" [0] Range::Number,
    /// Ignore tunnelled packets.
    IgnoreTunneled = "ignore_tunneled" [0] Range::Number,
    /// Estimate rates.
    RunEstimation = "run_estimation" [1] Range::Number,
}

impl Setting {
    /// The sysctl of this name; `None` if it does not exist.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|setting| setting.name() == name)
    }
}

/// An invalid value of a sysctl (`EINVAL`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be {given:?}: give {}", setting.name(), setting.wants())]
pub struct SettingError {
    /// The sysctl.
    pub setting: Setting,
    /// The value that was written.
    pub given: String,
}

/// The sysctls of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<Setting, Vec<i64>>);

impl Settings {
    /// A sysctl's value; the first one if it has two.
    pub fn number(&self, setting: Setting) -> i64 {
        self.numbers(setting).first().copied().unwrap_or(0)
    }

    /// A sysctl's values, one or two.
    pub fn numbers(&self, setting: Setting) -> &[i64] {
        self.0
            .get(&setting)
            .map_or(setting.default(), Vec::as_slice)
    }

    /// All values of all sysctls, in the order of [`Setting::ALL`].
    pub fn all_numbers(&self) -> Vec<i64> {
        let all = Setting::ALL.iter();
        all.flat_map(|setting| self.numbers(*setting).iter().copied())
            .collect()
    }

    /// The sysctls with these values. A sysctl whose values are missing or invalid gets its
    /// default.
    pub fn from_all_numbers(numbers: &[i64]) -> Self {
        let mut settings = Self::default();
        let mut rest = numbers;
        for setting in Setting::ALL {
            let Some((its, further)) = rest.split_at_checked(setting.default().len()) else {
                break;
            };
            rest = further;
            if its != setting.default() && setting.may_be(its) {
                settings.0.insert(*setting, its.to_vec());
            }
        }
        settings
    }

    /// A sysctl in the format of its file, without the newline.
    pub fn text(&self, setting: Setting) -> String {
        let numbers = self.numbers(setting).iter().map(i64::to_string);
        numbers.collect::<Vec<_>>().join("\t")
    }

    /// Sets a sysctl from the text that is written to its file: as many numbers as it has, decimal,
    /// or hexadecimal after `0x` and octal after `0`. Missing numbers are unchanged; excess ones
    /// are ignored.
    ///
    /// # Errors
    ///
    /// [`SettingError`] if there is no number or the value is invalid; the sysctl is then
    /// unchanged.
    pub fn set(&mut self, setting: Setting, text: &str) -> Result<(), SettingError> {
        let refused = || SettingError {
            setting,
            given: text.trim().to_owned(),
        };
        let mut numbers = self.numbers(setting).to_vec();
        let mut words = text.split_ascii_whitespace().peekable();
        if words.peek().is_none() {
            return Err(refused());
        }
        for (number, word) in numbers.iter_mut().zip(words) {
            *number = parse(word).ok_or_else(refused)?;
        }
        if !setting.may_be(&numbers) {
            return Err(refused());
        }
        self.0.insert(setting, numbers);
        Ok(())
    }
}

impl Setting {
    fn may_be(self, numbers: &[i64]) -> bool {
        let is_int = |number: &i64| i32::try_from(*number).is_ok();
        match (self.range(), numbers) {
            (Range::Number, [number]) => is_int(number),
            (Range::UpTo(most), [number]) => (0..=most).contains(number),
            (Range::PowerOfTwo, [number]) => {
                is_int(number) && *number > 0 && number.count_ones() == 1
            }
            (Range::Long, [number]) => *number >= 0,
            (Range::Threshold, [first, period]) => {
                numbers.iter().all(is_int)
                    && *first >= 0
                    && *period >= 0
                    && (*period == 0 || first < period)
            }
            _ => false,
        }
    }

    /// A description of the range.
    fn wants(self) -> String {
        match self.range() {
            Range::Number => "a number of 32 bits".to_owned(),
            Range::UpTo(most) => format!("a number from 0 to {most}"),
            Range::PowerOfTwo => "a power of two".to_owned(),
            Range::Long => "a number that is not negative".to_owned(),
            Range::Threshold => "two numbers, the second 0 or greater than the first".to_owned(),
        }
    }
}

/// Parses a number like the kernel (`proc_get_long`).
fn parse(word: &str) -> Option<i64> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(hexadecimal) => (hexadecimal, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
        None => (digits, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}
