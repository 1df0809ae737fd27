//! What payment is told from outside.

use clap::Parser;
use service_kit::config::{CommonArgs, Secret, millis};
use sqlx::postgres::PgConnectOptions;
use std::str::FromStr;
use std::time::Duration;

/// RTOMS payment: charges an order once its stock is held, and pays back what it has to.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "payment",
    version,
    after_help = "`payment openapi` prints the OpenAPI specification.\n\
                  `payment audit` compares its books, and ends with an error where something is wrong."
)]
pub struct Config {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub provider: ProviderArgs,
}

/// The payment provider.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Provider")]
pub struct ProviderArgs {
    /// The role of the built-in provider, whose search_path is its own schema.
    #[arg(long, env = "PROVIDER_DATABASE_URL", hide_env_values = true)]
    pub provider_database_url: Secret,
    /// Connections of the built-in provider.
    #[arg(long, env = "PROVIDER_POOL_MAX", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub provider_pool_max: u32,
    /// How long the provider may take to answer one call, in milliseconds. Longer is no decline: it is asked again. An
    /// order can't be paid again in the last moments before its deadline that are as long.
    #[arg(long = "provider-timeout-ms", env = "PROVIDER_TIMEOUT_MS", default_value = "10000")]
    #[arg(value_parser = millis, value_name = "MS")]
    pub timeout: Duration,
}

impl ProviderArgs {
    /// # Errors
    /// The URL is none of Postgres.
    pub fn options(&self) -> anyhow::Result<PgConnectOptions> {
        // The cause could repeat the password.
        PgConnectOptions::from_str(self.provider_database_url.expose()).map_err(|_| {
            anyhow::anyhow!("PROVIDER_DATABASE_URL is no URL of the form postgres://role:password@host/database")
        })
    }
}
