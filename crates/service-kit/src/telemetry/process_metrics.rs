//! What the process itself uses, read when somebody scrapes. Linux only; elsewhere nothing is told.

use std::fs;

/// The unit of `/proc/self/statm`. It is 4 KiB on every platform that the project builds for but some ARM servers.
const PAGE_BYTES: f64 = 4096.0;

/// Resident memory, open files and threads.
pub(super) fn record() {
    if let Some(pages) = fs::read_to_string("/proc/self/statm").ok().and_then(|text| resident_pages(&text)) {
        metrics::gauge!("process_resident_memory_bytes").set(pages * PAGE_BYTES);
    }
    if let Some(files) = count("/proc/self/fd") {
        metrics::gauge!("process_open_fds").set(files);
    }
    if let Some(threads) = count("/proc/self/task") {
        metrics::gauge!("process_threads").set(threads);
    }
}

fn resident_pages(statm: &str) -> Option<f64> {
    statm.split_whitespace().nth(1)?.parse().ok()
}

fn count(folder: &str) -> Option<f64> {
    let entries = fs::read_dir(folder).ok()?.count();
    u32::try_from(entries).ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::resident_pages;

    #[test]
    fn resident_pages_are_the_second_number() {
        assert_eq!(resident_pages("5231 1201 800 1 0 300 0\n"), Some(1201.0));
        assert_eq!(resident_pages(""), None);
    }
}
