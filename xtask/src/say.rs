//! Says something to whoever started this.

use std::io::{Write, stdout};

/// Where nobody listens any more, as behind a closed pipe or terminal, the work goes on.
pub(crate) fn say(line: &str) {
    let _ = writeln!(stdout().lock(), "{line}");
}
