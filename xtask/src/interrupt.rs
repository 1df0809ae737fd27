//! Ctrl-C, and the signal that `down` sends.

use anyhow::{Result, bail};
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// What a shell makes of SIGINT.
const EXIT_CODE: i32 = 130;

/// From here on the first Ctrl-C asks, and whoever waits looks; the second ends this process at once, and the kernel
/// tells its children.
pub(crate) fn listen() -> Result<()> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(EXIT_CODE);
        }
    })?;
    Ok(())
}

pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// # Errors
/// Where there was an interrupt.
pub(crate) fn check() -> Result<()> {
    if interrupted() {
        bail!("interrupted");
    }
    Ok(())
}
