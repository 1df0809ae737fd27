//! What notification is told from outside.

use clap::Parser;
use service_kit::config::{CommonArgs, Secret};

/// RTOMS notification: what customers are told.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "notification",
    version,
    after_help = "`notification openapi` prints the OpenAPI specification.\n\
                  `notification audit` compares its books, and ends with an error where something is wrong."
)]
pub struct Config {
    #[command(flatten)]
    pub common: CommonArgs,
    /// Where e-mail goes: `smtps://user:password@host` for TLS from the start, `smtp://…?tls=required` for STARTTLS,
    /// `?tls=opportunistic` where the server may do without, `smtp://host:port` for none. Without it messages are only
    /// recorded.
    #[arg(long, env = "SMTP_URL", hide_env_values = true, help_heading = "E-mail")]
    pub smtp_url: Option<Secret>,
    /// Whom e-mail is from.
    #[arg(long, env = "SMTP_FROM", default_value = "RTOMS <orders@example.com>", help_heading = "E-mail")]
    pub smtp_from: String,
}
