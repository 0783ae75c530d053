//! `sockvs-confined UNIT FOLDER COMMAND…`: becomes the command, under what the unit's file takes from
//! its service by way of mounts and a filter of system calls. `FOLDER` stands for the one of
//! `RuntimeDirectory=`. For where systemd itself does not run. Rights and `NoNewPrivileges=` are
//! `setpriv`'s.

mod filter;
mod mounts;
mod unit;

use std::{env, os::unix::process::CommandExt as _, path::Path, process::Command};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<_> = env::args_os().skip(1).collect();
    let [unit, folder, program, arguments @ ..] = &words[..] else {
        return Err("usage: sockvs-confined UNIT FOLDER COMMAND…".into());
    };
    let unit = unit::Unit::read(Path::new(unit))?;
    let program_of_filter = filter::Filter::of(&unit)?;
    mounts::confine(&unit, Path::new(folder))?;
    if unit.says("MemoryDenyWriteExecute", "yes") {
        filter::deny_write_execute()?;
    }
    program_of_filter.install()?;
    Err(Command::new(program).args(arguments).exec().into())
}
