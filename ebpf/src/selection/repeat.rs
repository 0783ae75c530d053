//! The kernel's loop (`bpf_loop`, Linux 5.17), and what its callbacks share. In a loop of the
//! program's own the verifier would follow each iteration.

use core::{
    ffi::{c_long, c_void},
    ptr::from_mut,
};

use aya_ebpf::helpers::bpf_loop;

/// What a callback returns.
pub(super) const CONTINUE: c_long = 0;
pub(super) const STOP: c_long = 1;

/// No server: no record has this index.
pub(crate) const NO_DESTINATION: u32 = u32::MAX;

/// One iteration: its number, and the loop's state.
pub(super) type Callback<T> = extern "C" fn(u32, &mut T) -> c_long;

/// Calls `callback` with each number below `times` and with `state`, until it returns `STOP`.
///
/// What a callback compares must come from a record (`SelectionRef::hidden_zero`).
#[inline(always)]
pub(super) fn repeat<T>(times: u32, callback: Callback<T>, state: &mut T) {
    // SAFETY: the helper calls the function with a number and the pointer, and nothing else uses
    // the state meanwhile.
    unsafe { bpf_loop(times, callback as *mut c_void, from_mut(state).cast(), 0) };
}
