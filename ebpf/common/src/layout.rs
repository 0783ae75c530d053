//! The offset of each field of a record, by name. The daemon stores the layouts beside the maps, so
//! that another version can read records whose layout has changed since. The programs do not use
//! them.

use alloc::{format, string::String, vec::Vec};
use core::mem::offset_of;

use crate::{
    ConnTuple, Connection, Destination, DestinationConfig, Edit, Flow, FlowKey, Globals, Namespace,
    OverflowConnection, SchedParams, Selection, Service, ServiceConfig, ServiceKey, Share,
    SyncDaemon, SyncDaemonKey, TcpCounters, Template, TemplateKey, Totals,
};

/// A number within a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name; within another structure or an array, after that one's name and a dot.
    pub name: String,
    /// How many bytes before it.
    pub at: usize,
    /// How many bytes it has.
    pub size: usize,
}

/// A type whose fields can be listed.
pub trait Layout: Sized {
    /// Adds the fields of a value that has this name, or none, and this offset.
    fn fields(name: &str, at: usize, to: &mut Vec<Field>);

    /// All fields of a record.
    #[must_use]
    fn of_record() -> Vec<Field> {
        let mut fields = Vec::new();
        Self::fields("", 0, &mut fields);
        fields
    }
}

fn within(name: &str, part: impl core::fmt::Display) -> String {
    if name.is_empty() {
        format!("{part}")
    } else {
        format!("{name}.{part}")
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {
        $(impl Layout for $number {
            fn fields(name: &str, at: usize, to: &mut Vec<Field>) {
                to.push(Field { name: name.into(), at, size: size_of::<Self>() });
            }
        })*
    };
}

numbers! { u8 u16 u32 u64 i32 i64 }

impl<T: Layout, const N: usize> Layout for [T; N] {
    fn fields(name: &str, at: usize, to: &mut Vec<Field>) {
        for index in 0..N {
            T::fields(&within(name, index), at + index * size_of::<T>(), to);
        }
    }
}

/// The type of a field is that of what leads to it.
fn field<R, F: Layout>(_: impl Fn(&R) -> &F, name: &str, at: usize, to: &mut Vec<Field>) {
    F::fields(name, at, to);
}

/// Implements [`Layout`] for records. A field that was renamed keeps the name that it has in
/// layouts already written (`field = "name"`): a daemon finds the fields of another version by
/// their names, and the name of a pinned map's file depends on them.
macro_rules! structures {
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    ($($structure:ident { $($(#[$attribute:meta])* $field:ident $(= $name:literal)?)* })*) => {
        $(impl Layout for $structure {
            fn fields(name: &str, at: usize, to: &mut Vec<Field>) {
                // Names every field, or does not compile.
                let _ = |record: &Self| {
                    let Self { $($(#[$attribute])* $field: _,)* } = record;
                };
                $(
                    $(#[$attribute])*
                    field(
                        |record: &Self| &record.$field,
                        &within(name, structures!(@name $field $($name)?)),
                        at + offset_of!(Self, $field),
                        to,
                    );
                )*
            }
        })*
    };
}

structures! {
    Globals { all_ports ftp }
    Namespace { #[cfg(feature = "other-layout")] moved timeouts numbers settings }
    SyncDaemonKey { netns state zero }
    SyncDaemon { group interface sync_id max_length port ttl family zero }
    ServiceKey { netns address port protocol family zero }
    SchedParams { flags jiffies = "ticks" netmask }
    Selection {
        cursor period segments_at segments first_at first_len slots kind options zero
    }
    ServiceConfig { scheduler persistence_engine flags timeout netmask }
    Service {
        #[cfg(feature = "other-layout")] moved
        key generation selections params = "terms" udp_timeout conns inpkts outpkts inbytes outbytes
        born scheduler persistence_engine flags timeout netmask protocol state zero
        use_number templates
    }
    DestinationConfig {
        weight upper_threshold lower_threshold tunnel_port tunnel_flags tunnel_kind forwarding zero
    }
    Destination {
        #[cfg(feature = "other-layout")] moved
        address port family overloaded service upper_threshold lower_threshold weight joined
        conns active total inpkts outpkts inbytes outbytes
        born tunnel_port tunnel_flags tunnel_kind forwarding state zero
        use_number zero_word
    }
    Edit { what index service destination }
    TemplateKey { service client }
    Template {
        expires destination service address n_control = "controls" destination_use service_use port
        zero
    }
    ConnTuple {
        vaddr = "virtual_address" daddr = "server_address"
        vport = "virtual_port" dport = "server_port"
        destination service counted
        client destination_use service_use
    }
    FlowKey { cookie index = "place" }
    Flow { tuple = "origin" last started = "begun" used socket cookie owner removing }
    TcpCounters { inpkts outpkts inbytes outbytes }
    Connection { tuple = "origin" claimed = "settled" socket cookie displaced overflowed }
    OverflowConnection { connection owner zero }
    Share { connections flows }
    Totals { connections flows templates zero }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<T: Layout>() -> Vec<String> {
        let fields = T::of_record().into_iter();
        fields.map(|field| field.name).collect()
    }

    /// Otherwise an upgrade would lose what they hold.
    #[test]
    fn renamed_fields_keep_their_names_in_layouts() {
        fn assert_has<T: Layout>(expected: &[&str]) {
            let names = names::<T>();
            for name in expected {
                assert!(names.iter().any(|has| has == name), "{name}: {names:?}");
            }
        }
        assert_has::<Service>(&["terms.0.ticks", "terms.1.flags"]);
        assert_has::<Template>(&["controls"]);
        assert_has::<FlowKey>(&["place"]);
        assert_has::<Flow>(&["origin.virtual_port", "begun"]);
        assert_has::<Connection>(&[
            "origin.virtual_address.0",
            "origin.server_address.3",
            "origin.server_port",
            "origin.counted",
            "settled.outbytes",
        ]);
        assert_has::<OverflowConnection>(&["connection.origin.counted", "owner"]);
    }
}
