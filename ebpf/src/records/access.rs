//! Access to the fields of a record that a reference points to. See the module of records for why
//! the pointer is valid and why each access is volatile.

/// Reads a field of the record that `$record` refers to.
macro_rules! get {
    ($record:ident.$($field:tt)+) => {
        // SAFETY: see the module of records: a reference is always valid, and every bit pattern is
        // a value.
        unsafe { core::ptr::addr_of!((*$record.0).$($field)+).read_volatile() }
    };
}

/// Writes a field of the record that `$record` refers to.
macro_rules! set {
    ($record:ident.$($field:ident).+, $value:expr) => {
        // SAFETY: see the module of records: a reference is always valid.
        unsafe { core::ptr::addr_of_mut!((*$record.0).$($field).+).write_volatile($value) }
    };
}

/// An atomic word of the record that `$record` refers to.
macro_rules! atomic {
    ($atomic:ident, $record:ident.$($field:ident).+) => {
        // SAFETY: see the module of records: a reference is always valid; the field is an aligned
        // word.
        unsafe {
            $crate::atomic::$atomic::new(core::ptr::addr_of_mut!((*$record.0).$($field).+))
        }
    };
}

/// The words for packets and bytes of the record that `$record` refers to, in the order of
/// `TcpCounters`.
macro_rules! traffic {
    ($record:ident $(.$part:ident)*) => {
        [
            atomic!(Atomic64, $record $(.$part)* .inpkts),
            atomic!(Atomic64, $record $(.$part)* .outpkts),
            atomic!(Atomic64, $record $(.$part)* .inbytes),
            atomic!(Atomic64, $record $(.$part)* .outbytes),
        ]
    };
}

pub(super) use {atomic, get, set, traffic};
