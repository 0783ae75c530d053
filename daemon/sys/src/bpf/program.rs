//! Loads programs that are attached to kernel functions.
//!
//! The eBPF library creates the maps and sets the programs' constants. The instructions are taken
//! from the same object again, and loaded here.

use std::{
    collections::HashSet,
    ffi::CStr,
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd},
};

use aya::{Ebpf, maps::Map};
use aya_obj::{Object, ParseError, generated::bpf_insn, relocation::EbpfRelocationError};

use super::call;

/// Command numbers and types from `linux/bpf.h`.
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_TYPE_TRACING: u32 = 26;
/// The size of the buffer for the verifier's log.
const LOG_SIZE: usize = 1 << 20;
const LICENSE: &CStr = c"GPL";

/// How a program is attached to the function (`enum bpf_attach_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// It can replace the function's return value.
    ModifyReturn = 26,
}

/// The part of `union bpf_attr` for loading a program, up to the last field that is set here.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
    attach_prog_fd: u32,
    /// Must be zero.
    padding: u32,
}

/// Why the kernel refused a program.
#[derive(Debug, thiserror::Error)]
#[error("{error}{}", verifier_says(.log))]
pub struct LoadError {
    /// The kernel's error.
    pub error: io::Error,
    /// The end of the verifier's log, if the verifier refused it.
    pub log: String,
}

fn verifier_says(log: &str) -> String {
    if log.is_empty() {
        String::new()
    } else {
        format!("; the verifier says: {log}")
    }
}

/// Why a program's instructions could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum Incomplete {
    /// The object in this binary cannot be used.
    #[error("the object cannot be read")]
    Object(#[from] ParseError),
    /// The object in this binary cannot be used.
    #[error("the instructions cannot be prepared")]
    Instructions(#[from] EbpfRelocationError),
    /// The object in this binary cannot be used.
    #[error("there is no program {0} in the object")]
    Lacks(&'static str),
}

/// A program's instructions, relocated with the descriptors of the maps that the eBPF library
/// created for the same object.
pub fn instructions(
    object: &[u8],
    program: &'static str,
    ebpf: &Ebpf,
) -> Result<Vec<bpf_insn>, Incomplete> {
    let mut object = Object::parse(object)?;
    let sections = object
        .functions
        .keys()
        .map(|(section, _)| *section)
        .collect::<HashSet<_>>();
    let maps = std::mem::take(&mut object.maps);
    let with_descriptors = maps
        .iter()
        .filter_map(|(name, map)| Some((name.as_str(), descriptor(ebpf.map(name)?)?, map)));
    object.relocate_maps(with_descriptors, &sections)?;
    object.relocate_calls(&sections)?;
    let found = object.programs.get(program);
    let function = found.and_then(|found| object.functions.get(&found.function_key()));
    function
        .map(|found| found.instructions.clone())
        .ok_or(Incomplete::Lacks(program))
}

fn descriptor(map: &Map) -> Option<RawFd> {
    match map {
        Map::Array(data) | Map::ArrayOfMaps(data) | Map::HashMap(data) | Map::RingBuf(data) => {
            Some(data.fd().as_fd().as_raw_fd())
        }
        _ => None,
    }
}

/// Loads a program that is attached to the kernel function whose type has the id `function`.
pub fn load(
    kind: Kind,
    instructions: &[bpf_insn],
    name: &str,
    function: u32,
) -> Result<OwnedFd, LoadError> {
    let refused = |error| LoadError {
        error,
        log: String::new(),
    };
    let mut attr = ProgLoad {
        prog_type: BPF_PROG_TYPE_TRACING,
        expected_attach_type: kind as u32,
        attach_btf_id: function,
        insn_cnt: u32::try_from(instructions.len())
            .map_err(|_| refused(io::ErrorKind::InvalidInput.into()))?,
        insns: instructions.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        ..ProgLoad::default()
    };
    // The last byte stays NUL.
    for (to, from) in attr.prog_name.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    let error = match call::descriptor(BPF_PROG_LOAD, &attr) {
        Ok(program) => return Ok(program),
        Err(error) => error,
    };
    // The verifier writes a log only if it ran. Logging costs time, so it is requested only after a
    // failure.
    let mut log = vec![0_u8; LOG_SIZE];
    attr.log_level = 1;
    attr.log_size = u32::try_from(log.len()).unwrap_or(0);
    attr.log_buf = log.as_mut_ptr() as u64;
    match call::descriptor(BPF_PROG_LOAD, &attr) {
        Ok(program) => Ok(program),
        Err(_) => Err(LoadError {
            error,
            log: last_lines(&log),
        }),
    }
}

/// The end of the verifier's log, which has the error, on one line.
fn last_lines(log: &[u8]) -> String {
    let text = log.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let lines: Vec<_> = text.lines().filter(|line| !is_statistics(line)).collect();
    lines
        .get(lines.len().saturating_sub(6)..)
        .unwrap_or_default()
        .join(" | ")
}

fn is_statistics(line: &str) -> bool {
    line.starts_with("processed ") || line.starts_with("verification time ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_its_last_lines() {
        let log = b"a\nb\nc\nd\ne\nf\ninvalid access\nprocessed 3 insns\n\0\0\0";
        assert_eq!(last_lines(log), "b | c | d | e | f | invalid access");
        assert_eq!(last_lines(b"\0\0"), "");
    }
}
