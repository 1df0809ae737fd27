//! Who listens on a port, as `/proc` tells it.

use std::fs;
use std::path::Path;

/// Name and id of the process, where this user may know them.
pub(super) fn of(port: u16) -> Option<String> {
    let sockets: Vec<String> =
        ["tcp", "tcp6"].iter().flat_map(|table| listening(&format!("/proc/net/{table}"), port)).collect();
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let pid = process.file_name().into_string().unwrap_or_default();
        if pid.parse::<u32>().is_ok() && has_open(&process.path().join("fd"), &sockets) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {pid})", name.trim()));
        }
    }
    None
}

/// The sockets of a table of the kernel that listen on `port`, as the links of open files name them.
fn listening(table: &str, port: u16) -> Vec<String> {
    /// `TCP_LISTEN`, in the column of states.
    const LISTEN: &str = "0A";
    let text = fs::read_to_string(table).unwrap_or_default();
    let ours = format!(":{port:04X}");
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| columns.len() > 9 && columns[1].ends_with(&ours) && columns[3] == LISTEN)
        .map(|columns| format!("socket:[{}]", columns[9]))
        .collect()
}

fn has_open(fds: &Path, sockets: &[String]) -> bool {
    let Ok(fds) = fs::read_dir(fds) else { return false };
    fds.flatten().filter_map(|fd| fs::read_link(fd.path()).ok()).any(|link| {
        let link = link.to_string_lossy();
        sockets.iter().any(|socket| *socket == link)
    })
}
