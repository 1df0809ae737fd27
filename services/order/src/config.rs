//! What the order service is told from outside.

use clap::Parser;
use service_kit::config::{CommonArgs, Secret, seconds};
use std::time::Duration;

/// RTOMS order: orders and their saga, and the built-in issuer of tokens.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "order",
    version,
    after_help = "`order openapi` prints the OpenAPI specification.\n\
                  `order create-admin --username <name> --password-stdin` makes an administrator."
)]
pub struct Config {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// How long an order may wait for its payment, in seconds.
    #[arg(long = "order-ttl-s", env = "ORDER_TTL_S", default_value = "900", value_parser = seconds, value_name = "S")]
    pub time_to_pay: Duration,
}

/// The built-in issuer.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Built-in issuer")]
pub struct IdentityArgs {
    /// Its own role, whose search_path is its own schema.
    #[arg(long, env = "IDENTITY_DATABASE_URL", hide_env_values = true)]
    pub identity_database_url: Secret,
}

/// `order create-admin`.
#[derive(Debug, Parser)]
#[command(name = "order create-admin")]
pub struct CreateAdmin {
    /// The name to log in with.
    #[arg(long)]
    pub username: String,
    /// Reads the password from standard input, where no list of processes shows it.
    #[arg(long, required = true)]
    pub password_stdin: bool,
    #[command(flatten)]
    pub identity: IdentityArgs,
}
