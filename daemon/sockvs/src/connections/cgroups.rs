//! Finds the paths of cgroups by their ids: a cgroup's id is the inode of its directory.

use std::{
    collections::{HashMap, HashSet},
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use sockvs_sys::cgroup::find_cgroup2;

/// The paths of the cgroups with these ids, relative to the root of the hierarchy that is mounted
/// here. Removed cgroups are missing.
pub(super) fn paths(ids: &HashSet<u64>) -> HashMap<u64, String> {
    let mut found = HashMap::new();
    let Ok(root) = find_cgroup2() else {
        return found;
    };
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        if found.len() == ids.len() {
            break;
        }
        if let Ok(metadata) = fs::metadata(&folder)
            && ids.contains(&metadata.ino())
        {
            let path = folder.strip_prefix(&root).unwrap_or(Path::new(""));
            found.insert(metadata.ino(), format!("/{}", path.display()));
        }
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    found
}
