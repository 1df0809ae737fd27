//! What product is told from outside.

use clap::Parser;
use service_kit::config::{CommonArgs, Secret};

/// RTOMS product: the catalogue.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "product",
    version,
    after_help = "`product openapi` prints the OpenAPI specification.\n\
                  `product audit` compares its books, and ends with an error where something is wrong."
)]
pub struct Config {
    #[command(flatten)]
    pub common: CommonArgs,
    /// Where products are cached: `redis://[:password@]host:port/database`, with `rediss` for TLS. Without it the answers
    /// are the same, only slower.
    #[arg(long, env = "REDIS_URL", hide_env_values = true, help_heading = "Cache")]
    pub redis_url: Option<Secret>,
}
