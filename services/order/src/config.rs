//! What the order service is told from outside.

use clap::Parser;
use service_kit::config::{CommonArgs, Secret};
use time::Duration;

/// The longest that an order may wait for its payment and hold its stock: a month.
const MAX_TIME_TO_PAY_S: i64 = 31 * 24 * 3600;

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
    #[arg(long = "order-ttl-s", env = "ORDER_TTL_S", default_value = "900", value_parser = time_to_pay, value_name = "S")]
    pub time_to_pay: Duration,
}

/// The built-in issuer.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Built-in issuer")]
pub struct IdentityArgs {
    /// Its own role, whose search_path is its own schema. Without it there is no built-in issuer, and tokens come from
    /// OIDC_ISSUER alone.
    #[arg(long, env = "IDENTITY_DATABASE_URL", hide_env_values = true)]
    pub identity_database_url: Option<Secret>,
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
    /// As of the service.
    #[arg(long, env = "IDENTITY_DATABASE_URL", hide_env_values = true)]
    pub identity_database_url: Secret,
}

fn time_to_pay(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(s @ 1..=MAX_TIME_TO_PAY_S) => Ok(Duration::seconds(s)),
        _ => Err(format!("must be a number of seconds from 1 to {MAX_TIME_TO_PAY_S}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse<'a>(more: impl IntoIterator<Item = &'a str>) -> Result<Config, clap::Error> {
        let needed = ["order", "--database-url=postgres://order:hunter2@localhost/rtoms"];
        Config::try_parse_from(needed.into_iter().chain(more))
    }

    #[test]
    fn orders_wait_fifteen_minutes_and_never_for_ever() {
        Config::command().debug_assert();
        CreateAdmin::command().debug_assert();
        assert_eq!(parse([]).unwrap().time_to_pay, Duration::minutes(15));
        assert_eq!(parse(["--order-ttl-s=3"]).unwrap().time_to_pay, Duration::seconds(3));
        for wrong in ["0", "-1", "soon", "9223372036854775807"] {
            assert!(parse([format!("--order-ttl-s={wrong}").as_str()]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_never_an_argument() {
        let create = |words: &[&str]| {
            let needed =
                ["order create-admin", "--identity-database-url=postgres://localhost/rtoms", "--username=root"];
            CreateAdmin::try_parse_from(needed.iter().chain(words))
        };
        assert!(create(&["--password-stdin"]).is_ok());
        assert!(create(&[]).is_err() && create(&["--password=hunter2"]).is_err());
    }
}
