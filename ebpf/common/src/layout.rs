//! Where each field of a record is, in words that another version of sockvs can read. The daemon keeps
//! them beside the maps, so that the next one can read records whose layout has changed since. The
//! programs have no use for it.

use alloc::{format, string::String, vec::Vec};
use core::mem::offset_of;

use crate::{
    Carried, Connection, Destination, DestinationConfig, Edit, Flow, FlowKey, Globals, Namespace,
    Origin, OverflowConnection, Selection, Service, ServiceConfig, ServiceKey, Share, SyncDaemon,
    SyncDaemonKey, Template, TemplateKey, Terms, Totals,
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

/// A type whose fields can be told.
pub trait Layout: Sized {
    /// Adds the fields of a value that has this name, or none, and stands at this place.
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

macro_rules! structures {
    ($($structure:ident { $($(#[$attribute:meta])* $field:ident)* })*) => {
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
                        &within(name, stringify!($field)),
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
    Terms { flags ticks netmask }
    Selection {
        cursor period segments_at segments first_at first_len slots kind options zero
    }
    ServiceConfig { scheduler persistence_engine flags timeout netmask }
    Service {
        #[cfg(feature = "other-layout")] moved
        key generation selections terms udp_timeout conns inpkts outpkts inbytes outbytes
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
    Template { expires destination service address controls destination_use service_use port zero }
    Origin {
        virtual_address server_address virtual_port server_port destination service counted
        client destination_use service_use
    }
    FlowKey { cookie place }
    Flow { origin last begun used socket cookie owner removing }
    Carried { inpkts outpkts inbytes outbytes }
    Connection { origin settled socket cookie displaced overflowed }
    OverflowConnection { connection owner zero }
    Share { connections flows }
    Totals { connections flows templates zero }
}
