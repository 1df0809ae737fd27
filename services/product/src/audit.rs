//! `product audit`: a catalogue has no second book; what every service has is checked.

use clap::Parser;
use service_kit::audit::{self, AuditArgs};

/// Looks for dead letters and late events, and ends with an error where there are any.
#[derive(Debug, Parser)]
#[command(name = "product audit")]
struct Args {
    #[command(flatten)]
    audit: AuditArgs,
}

/// `product audit`, with the arguments after it.
///
/// # Errors
/// Something is wrong, or the database can't be read.
pub fn run(args: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    audit::run(&Args::parse_from(args).audit, async |audit| Ok(audit))
}
