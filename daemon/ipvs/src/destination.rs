//! A destination, which is a real server of a service (`struct ip_vs_dest`), and the configuration
//! that clients send for it.
//!
//! The rules for changing it are in `table`.

use super::{DestinationId, DestinationKey};

/// How packets reach the real server (`IP_VS_CONN_F_FWD_MASK`).
///
/// The kernel accepts all eight values, including undefined ones, and lists them unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ForwardingMethod(u8);

impl ForwardingMethod {
    /// Address translation.
    pub const MASQUERADE: Self = Self(0);
    /// The server is this machine.
    pub const LOCAL: Self = Self(1);
    /// A tunnel; the only method between families.
    pub const TUNNEL: Self = Self(2);
    /// Direct routing, by the server's link-layer address on the same network.
    pub const DIRECT: Self = Self(3);
    /// Bypasses the cache. Only the kernel itself sets it.
    pub const BYPASS: Self = Self(4);

    /// The method in the low three bits; the kernel ignores the others.
    pub fn from_raw(raw: u32) -> Self {
        Self(raw.to_le_bytes()[0] & 7)
    }

    /// Its number.
    pub fn to_raw(self) -> u32 {
        self.0.into()
    }
}

/// The kinds of tunnel that have rules (`IP_VS_CONN_F_TUNNEL_TYPE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TunnelKind {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation, which needs a port.
    Gue,
    /// Generic routing encapsulation.
    Gre,
}

/// The parameters of a tunnel to the real server. They are stored and listed for other forwarding
/// methods, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TunnelInfo {
    /// The kind as the client sent it. The kernel accepts any; see [`TunnelInfo::known_kind`].
    pub kind: u8,
    /// The port for [`TunnelKind::Gue`], host byte order.
    pub port: u16,
    /// Encapsulation flags (`IP_VS_TUNNEL_ENCAP_FLAG_*`).
    pub flags: u16,
}

impl TunnelInfo {
    /// The kind, if it is a known one.
    pub fn known_kind(&self) -> Option<TunnelKind> {
        match self.kind {
            0 => Some(TunnelKind::Ipip),
            1 => Some(TunnelKind::Gue),
            2 => Some(TunnelKind::Gre),
            _ => None,
        }
    }
}

/// The configuration that a client sends when it adds or edits a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestinationSpec {
    /// Which destination.
    pub key: DestinationKey,
    /// How packets reach it.
    pub forwarding: ForwardingMethod,
    /// Its share of new connections, for schedulers that use weights; 0 means none.
    pub weight: i32,
    /// With this many connections it gets no new ones; 0 means no limit.
    pub upper_threshold: u32,
    /// Below this many it gets new ones again; 0 means three quarters of the upper threshold.
    pub lower_threshold: u32,
    /// The tunnel's parameters, for that forwarding method.
    pub tunnel: TunnelInfo,
}

/// A destination of a service in a table.
///
/// There may be very many, so fields that most of them do not need are boxed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    id: DestinationId,
    weight: i32,
    key: DestinationKey,
    forwarding: ForwardingMethod,
    rare: Option<Box<Rare>>,
}

/// The fields that most destinations do not need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rare {
    last_weight: i32,
    upper_threshold: u32,
    lower_threshold: u32,
    tunnel: TunnelInfo,
}

impl Rare {
    /// Boxes the fields, unless they have the defaults of a destination with this weight.
    fn boxed(self, weight: i32) -> Option<Box<Self>> {
        let usual = Self {
            last_weight: weight,
            upper_threshold: 0,
            lower_threshold: 0,
            tunnel: TunnelInfo::default(),
        };
        (self != usual).then(|| Box::new(self))
    }
}

impl Destination {
    /// A destination that a client adds.
    pub(super) fn new(id: DestinationId, spec: DestinationSpec) -> Self {
        Self::with_last_weight(id, spec, spec.weight)
    }

    /// The same destination after a client's edit.
    pub(super) fn edited(&self, spec: DestinationSpec) -> Self {
        let last_weight = match spec.weight {
            0 => self.last_weight(),
            weight => weight,
        };
        Self::with_last_weight(self.id, spec, last_weight)
    }

    fn with_last_weight(id: DestinationId, spec: DestinationSpec, last_weight: i32) -> Self {
        let DestinationSpec {
            key,
            forwarding,
            weight,
            upper_threshold,
            lower_threshold,
            tunnel,
        } = spec;
        let rare = Rare {
            last_weight,
            upper_threshold,
            lower_threshold,
            tunnel,
        };
        Self {
            id,
            weight,
            key,
            forwarding,
            rare: rare.boxed(weight),
        }
    }

    /// The destination's id.
    pub fn id(&self) -> DestinationId {
        self.id
    }

    /// The destination's key.
    pub fn key(&self) -> &DestinationKey {
        &self.key
    }

    /// How packets reach it.
    pub fn forwarding(&self) -> ForwardingMethod {
        self.forwarding
    }

    /// Its share of new connections; never negative.
    pub fn weight(&self) -> i32 {
        self.weight
    }

    /// Its weight, or if that is 0 the last one that was not, unless it has been 0 since it was
    /// added (`last_weight`). The hashing schedulers build their tables from it, so that draining a
    /// server affects no other server's clients.
    pub fn last_weight(&self) -> i32 {
        self.rare
            .as_ref()
            .map_or(self.weight, |rare| rare.last_weight)
    }

    /// With this many connections it gets no new ones; 0 means no limit.
    pub fn upper_threshold(&self) -> u32 {
        self.rare.as_ref().map_or(0, |rare| rare.upper_threshold)
    }

    /// The lower threshold as it was set; 0 means the default.
    pub fn lower_threshold(&self) -> u32 {
        self.rare.as_ref().map_or(0, |rare| rare.lower_threshold)
    }

    /// Below this many connections an overloaded destination gets new ones again
    /// (`l_threshold_val`): the lower threshold, or three quarters of the upper.
    pub fn recovery_threshold(&self) -> u32 {
        match self.lower_threshold() {
            0 => self.upper_threshold() - (self.upper_threshold() >> 2),
            lower => lower,
        }
    }

    /// The tunnel's parameters.
    pub fn tunnel(&self) -> TunnelInfo {
        self.rare
            .as_ref()
            .map_or_else(TunnelInfo::default, |rare| rare.tunnel)
    }
}
