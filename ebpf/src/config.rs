//! Values that the daemon writes into the object before it loads the programs. The verifier sees
//! constants.

/// Reads such a value. Volatile, because the compiler would use the value that the source gives it.
#[inline(always)]
pub(crate) fn get<T: Copy>(value: &'static T) -> T {
    // SAFETY: a reference is valid to read from.
    unsafe { core::ptr::from_ref(value).read_volatile() }
}
