//! What inventory is told from outside.

use clap::Parser;
use service_kit::config::CommonArgs;

/// RTOMS inventory: what is in stock, and what orders hold of it.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "inventory",
    version,
    after_help = "`inventory openapi` prints the OpenAPI specification.\n\
                  `inventory audit` compares its books, and ends with an error where something is wrong."
)]
pub struct Config {
    #[command(flatten)]
    pub common: CommonArgs,
}
