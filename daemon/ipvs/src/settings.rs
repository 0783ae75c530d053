//! The settings of a namespace (`net.ipv4.vs.*`): their names, what they are at first, and what
//! each may be (`vs_vars` in `net/netfilter/ipvs/ip_vs_ctl.c`, Linux 6.1).
//!
//! They are kept here for whoever goes by them. Most mean nothing to connections that no packet of
//! is ever looked at; clients may set them all the same.

use std::collections::BTreeMap;

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    /// Any `int`.
    Number,
    /// From 0 to this.
    UpTo(i64),
    /// 1, 2, 4, …
    PowerOfTwo,
    /// Any `unsigned long`, as far as it is no more than an `i64`.
    Long,
    /// Two numbers that are not negative, the first below the second unless that is 0.
    Threshold,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $default:tt $range:expr,)*) => {
        /// A setting.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Setting {
            $($(#[$doc])* $variant,)*
        }

        impl Setting {
            /// Every setting there is, in the kernel's order.
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
    /// Pages of free memory below which the defences begin.
    Amemthresh = "amemthresh" [1024] Range::Number,
    /// One packet in this many is dropped, when the defence is always on.
    AmDroprate = "am_droprate" [10] Range::Number,
    /// When to drop connection entries.
    DropEntry = "drop_entry" [0] Range::UpTo(3),
    /// When to drop packets.
    DropPacket = "drop_packet" [0] Range::UpTo(3),
    /// Keep connection tracking for connections.
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
    /// The longest queue of a sync daemon. The kernel's default goes by the machine's memory; this
    /// one is that of 1 GiB.
    SyncQlenMax = "sync_qlen_max" [8192] Range::Long,
    /// The socket buffer of a sync daemon.
    SyncSockSize = "sync_sock_size" [0] Range::Number,
    /// Go past the cache if no server is left.
    CacheBypass = "cache_bypass" [0] Range::Number,
    /// End connections when their server is deleted.
    ExpireNodestConn = "expire_nodest_conn" [0] Range::Number,
    /// Take TCP connections that began elsewhere.
    SloppyTcp = "sloppy_tcp" [0] Range::Number,
    /// Take SCTP associations that began elsewhere.
    SloppySctp = "sloppy_sctp" [0] Range::Number,
    /// Persistence does not hold to a server whose weight is 0.
    ExpireQuiescentTemplate = "expire_quiescent_template" [0] Range::Number,
    /// From which packet on, and each how many, connections are synchronized.
    SyncThreshold = "sync_threshold" [3, 50] Range::Threshold,
    /// How often, in seconds, a connection is synchronized though nothing has changed.
    SyncRefreshPeriod = "sync_refresh_period" [0] Range::UpTo(i32::MAX as i64 / super::HZ as i64),
    /// How often a sync message is repeated.
    SyncRetries = "sync_retries" [0] Range::UpTo(3),
    /// Send ICMP errors to masqueraded servers.
    NatIcmpSend = "nat_icmp_send" [0] Range::Number,
    /// Path MTU discovery for tunnels.
    PmtuDisc = "pmtu_disc" [1] Range::Number,
    /// A backup forwards nothing.
    BackupOnly = "backup_only" [0] Range::Number,
    /// What becomes of a connection whose client uses its port again.
    ConnReuseMode = "conn_reuse_mode" [1] Range::Number,
    /// Choose servers for ICMP messages, too.
    ScheduleIcmp = "schedule_icmp" [0] Range::Number,
    /// Leave tunnelled packets alone.
    IgnoreTunneled = "ignore_tunneled" [0] Range::Number,
    /// Estimate rates.
    RunEstimation = "run_estimation" [1] Range::Number,
}

impl Setting {
    /// The setting of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|setting| setting.name() == name)
    }
}

/// A value that a setting cannot have (`EINVAL`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be {given:?}: give {}", setting.name(), setting.wants())]
pub struct SettingError {
    /// The setting.
    pub setting: Setting,
    /// What was given.
    pub given: String,
}

/// The settings of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<Setting, Vec<i64>>);

impl Settings {
    /// A setting's value; of one that has two, the first.
    pub fn number(&self, setting: Setting) -> i64 {
        self.numbers(setting).first().copied().unwrap_or(0)
    }

    /// A setting's numbers, one or two.
    pub fn numbers(&self, setting: Setting) -> &[i64] {
        self.0
            .get(&setting)
            .map_or(setting.default(), Vec::as_slice)
    }

    /// All numbers of all settings, in the order of [`Setting::ALL`].
    pub fn all_numbers(&self) -> Vec<i64> {
        let all = Setting::ALL.iter();
        all.flat_map(|setting| self.numbers(*setting).iter().copied())
            .collect()
    }

    /// The settings of which these are all numbers. One whose numbers are missing or cannot be has
    /// its default.
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

    /// A setting as its file shows it, without the line's end.
    pub fn text(&self, setting: Setting) -> String {
        let numbers = self.numbers(setting).iter().map(i64::to_string);
        numbers.collect::<Vec<_>>().join("\t")
    }

    /// Takes what is written to a setting's file: as many numbers as it has, decimal, or after `0x`
    /// and `0` hexadecimal and octal. Numbers that are not given stay; further ones are ignored.
    ///
    /// # Errors
    ///
    /// [`SettingError`] if there is no number or the setting cannot have it; then it stays as it
    /// is.
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

    /// What it may be, in words.
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

/// A number as the kernel reads one (`proc_get_long`).
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
