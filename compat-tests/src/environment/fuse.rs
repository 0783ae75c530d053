//! A file system in user space whose one file can be opened by every user, and which never answers
//! some things that are asked of it, as any user's could.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::{environment::folder::Folder, process::leftovers::clean_up};

/// `FUSE_…` of `linux/fuse.h`.
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;
/// The length of its requests' and of its answers' headers.
const IN_HEADER: usize = 40;
const OUT_HEADER: usize = 16;

/// The most that is written at once: with its header, less than what is read of a request.
const MOST_WRITTEN: u32 = 4096;

const ROOT: u64 = 1;
const FILE: u64 = 2;
const SIZE: u64 = 1 << 20;

/// The file system. Reading its file, and closing it, takes until this is dropped.
#[derive(Debug)]
pub struct StuckFile {
    mounted: PathBuf,
    unanswered: Arc<AtomicUsize>,
    server: Option<JoinHandle<()>>,
}

impl StuckFile {
    /// Mounts it in a folder. None is for the virtual machine, whose kernels come without FUSE.
    ///
    /// # Panics
    ///
    /// When another machine has no FUSE.
    #[must_use]
    pub fn new(folder: &Folder) -> Option<Self> {
        let device = File::options().read(true).write(true).open("/dev/fuse");
        if device.is_err() && std::env::var_os("SOCKVS_VM").is_some() {
            return None;
        }
        let device = device.expect("this machine has FUSE");
        let mounted = folder.path().join("stuck");
        fs::create_dir(&mounted).expect("a folder of our own");
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0,allow_other",
            device.as_raw_fd()
        );
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(
            Some("sockvs-stuck"),
            &mounted,
            Some("fuse"),
            flags,
            Some(&*options),
        )
        .expect("root may mount");
        let unanswered = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&unanswered);
        let server = thread::spawn(move || serve(device, &count));
        Some(Self {
            mounted,
            unanswered,
            server: Some(server),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.mounted.join("file")
    }

    /// How many wait for an answer that does not come.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.unanswered.load(Ordering::Relaxed)
    }

    fn unmount(path: &Path) -> nix::Result<()> {
        // By force, so that those who wait hear that nothing will come.
        umount2(path, MntFlags::MNT_FORCE | MntFlags::MNT_DETACH)
    }
}

impl Drop for StuckFile {
    fn drop(&mut self) {
        clean_up(|| {
            Self::unmount(&self.mounted).map_err(|errno| format!("a mounted FUSE: {errno}"))?;
            let ended = self.server.take().map(JoinHandle::join);
            ended
                .transpose()
                .map_err(|_| "a panicked FUSE".to_owned())?;
            fs::remove_dir(&self.mounted).map_err(|error| error.to_string())
        });
    }
}

fn serve(mut device: File, unanswered: &AtomicUsize) {
    let mut request = vec![0; 1 << 20];
    // It fails once nothing is mounted any more.
    while let Ok(length) = device.read(&mut request) {
        let request = &request[..length];
        let number = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().expect("four"));
        let node = u64::from_ne_bytes(request[16..24].try_into().expect("eight"));
        let answer = match number(4) {
            INIT => Ok(init(number(IN_HEADER + 8))),
            LOOKUP => Ok(entry()),
            GETATTR => Ok(attributes(node)),
            // A descriptor, and no flags.
            OPEN => Ok(vec![0; 16]),
            RELEASE => Ok(Vec::new()),
            FORGET | BATCH_FORGET | INTERRUPT => continue,
            READ | FLUSH => {
                unanswered.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            _ => Err(libc::ENOSYS),
        };
        let (error, body) = match answer {
            Ok(body) => (0, body),
            Err(errno) => (-errno, Vec::new()),
        };
        let length = u32::try_from(OUT_HEADER + body.len()).expect("answers are short");
        let mut reply = length.to_ne_bytes().to_vec();
        reply.extend(error.to_ne_bytes());
        reply.extend(&request[8..16]);
        reply.extend(body);
        // Who asked may have given up.
        let _ = device.write_all(&reply);
    }
}

/// `struct fuse_init_out`
fn init(readahead: u32) -> Vec<u8> {
    let mut body = Vec::new();
    for number in [7, 31, readahead, 0, 0, MOST_WRITTEN] {
        body.extend(number.to_ne_bytes());
    }
    body.resize(64, 0);
    body
}

/// `struct fuse_entry_out`
fn entry() -> Vec<u8> {
    let mut body = FILE.to_ne_bytes().to_vec();
    body.resize(40, 0);
    body.extend(attribute(FILE));
    body
}

/// `struct fuse_attr_out`
fn attributes(node: u64) -> Vec<u8> {
    let mut body = vec![0; 16];
    body.extend(attribute(node));
    body
}

/// `struct fuse_attr`
fn attribute(node: u64) -> Vec<u8> {
    let mut body = Vec::new();
    for number in [node, SIZE, SIZE / 512, 0, 0, 0] {
        body.extend(number.to_ne_bytes());
    }
    body.extend([0; 12]);
    let mode: u32 = if node == ROOT { 0o040_755 } else { 0o100_666 };
    for number in [mode, 1, 0, 0, 0, 4096, 0] {
        body.extend(number.to_ne_bytes());
    }
    body
}
