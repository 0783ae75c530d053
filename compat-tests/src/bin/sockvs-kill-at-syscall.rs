//! `sockvs-kill-at-syscall PID N`: traces a process, says `ready`, and kills it at its Nth step
//! from then on. A step is the beginning or the end of a system call of any of its threads. Ends
//! well if it has killed the process, and with 1 if the process ended otherwise.

use std::{env, fs, io, process::ExitCode};

use nix::{
    errno::Errno,
    sys::{
        ptrace::{self, Options},
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

fn main() -> io::Result<ExitCode> {
    let mut arguments = env::args().skip(1).map(|word| word.parse::<i32>());
    let (Some(Ok(pid)), Some(Ok(steps))) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("a process id and a number are missing"));
    };
    let waiting = seize_all(Pid::from_raw(pid))?;
    let killed = step(Pid::from_raw(pid), waiting, steps)?;
    Ok(if killed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Begins to trace all threads: how many there are.
fn seize_all(pid: Pid) -> io::Result<usize> {
    let mut threads = Vec::new();
    // Threads may begin while this looks; those of traced ones are traced.
    loop {
        let mut new = 0;
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let name = entry?.file_name();
            let Some(thread) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let thread = Pid::from_raw(thread);
            let options = Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACESYSGOOD;
            if threads.contains(&thread) {
                continue;
            }
            match ptrace::seize(thread, options) {
                Ok(()) => {
                    ptrace::interrupt(thread)?;
                    threads.push(thread);
                    new += 1;
                }
                // It is traced already, or gone.
                Err(Errno::EPERM | Errno::ESRCH) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        if new == 0 {
            return Ok(threads.len());
        }
    }
}

/// Lets the threads run from step to step. `waiting` of them are still to stop for the first time.
fn step(pid: Pid, mut waiting: usize, steps: i32) -> io::Result<bool> {
    let mut done = 0;
    let mut killed = false;
    loop {
        let status = match waitpid(None, Some(WaitPidFlag::__WALL)) {
            Ok(status) => status,
            Err(Errno::ECHILD) => return Ok(killed),
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        let (thread, signal) = match status {
            WaitStatus::PtraceSyscall(thread) => {
                if waiting == 0 {
                    done += 1;
                }
                if done >= steps && !killed {
                    killed = true;
                    kill(pid, Signal::SIGKILL)?;
                }
                (thread, None)
            }
            WaitStatus::PtraceEvent(thread, _, event) => {
                // What it was interrupted for; the other events are the beginnings of threads.
                if event == libc::PTRACE_EVENT_STOP && waiting > 0 {
                    waiting -= 1;
                    if waiting == 0 {
                        println!("ready");
                    }
                }
                (thread, None)
            }
            WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
            _ => continue,
        };
        match ptrace::syscall(thread, signal) {
            // It may be dying.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
