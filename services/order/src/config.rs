//! What the order service is told from outside.

use anyhow::ensure;
use clap::Parser;
use identity::{Lockout, Rotation};
use service_kit::config::{CommonArgs, Secret};
use time::Duration;

/// The longest that an order may wait for its payment and hold its stock: a month.
const MAX_TIME_TO_PAY_S: i64 = 31 * 24 * 3600;
/// The longest that the issuer's keys and tokens may be good for: a year.
const MAX_TIME_S: i64 = 366 * 24 * 3600;

/// RTOMS order: orders and their saga, and the built-in issuer of tokens.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "order",
    version,
    after_help = "`order openapi` prints the OpenAPI specification.\n\
                  `order create-admin --username <name> --password-stdin` makes an administrator.\n\
                  `order audit` compares its books, and ends with an error where something is wrong."
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
    /// How long an access token is good for, in seconds.
    #[arg(long = "access-token-ttl-s", env = "ACCESS_TOKEN_TTL_S", default_value = "900", value_parser = some_time, value_name = "S")]
    pub access_ttl: Duration,
    /// How long a key signs before its successor is made, in seconds.
    #[arg(long = "signing-key-ttl-s", env = "SIGNING_KEY_TTL_S", default_value = "2592000", value_parser = some_time, value_name = "S")]
    pub signs_for: Duration,
    /// How long a key is published before it signs, in seconds: longer than OIDC_REFRESH_S of any service.
    #[arg(long = "signing-key-ahead-s", env = "SIGNING_KEY_AHEAD_S", default_value = "900", value_parser = some_time, value_name = "S")]
    pub published_ahead: Duration,
    /// How many wrong passwords in a row close an account.
    #[arg(long = "login-failures-per-account", env = "LOGIN_FAILURES_PER_ACCOUNT", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub per_account: u32,
    /// How many wrong passwords close an address to all logins. Behind a proxy, everybody has the proxy's address.
    #[arg(long = "login-failures-per-address", env = "LOGIN_FAILURES_PER_ADDRESS", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub per_address: u32,
    /// For how long they are closed, from the first of those failures on, in seconds.
    #[arg(long = "login-window-s", env = "LOGIN_WINDOW_S", default_value = "900", value_parser = some_time, value_name = "S")]
    pub window: Duration,
}

impl IdentityArgs {
    /// # Errors
    /// A key would sign before a service that fetches keys every `refresh_every` knows it.
    pub fn rotation(&self, refresh_every: Duration) -> anyhow::Result<Rotation> {
        ensure!(
            self.published_ahead > refresh_every,
            "SIGNING_KEY_AHEAD_S ({} s) has to be longer than OIDC_REFRESH_S ({} s)",
            self.published_ahead.whole_seconds(),
            refresh_every.whole_seconds()
        );
        Ok(Rotation { signs_for: self.signs_for, published_ahead: self.published_ahead, access_ttl: self.access_ttl })
    }

    #[must_use]
    pub fn lockout(&self) -> Lockout {
        Lockout { per_account: self.per_account, per_address: self.per_address, window: self.window.unsigned_abs() }
    }
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

fn some_time(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(s @ 1..=MAX_TIME_S) => Ok(Duration::seconds(s)),
        _ => Err(format!("must be a number of seconds from 1 to {MAX_TIME_S}")),
    }
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
    fn a_key_is_published_for_longer_than_it_is_kept() {
        let rotation = |more: &[&str]| parse(more.iter().copied()).unwrap().identity.rotation(Duration::seconds(300));
        let by_default = rotation(&[]).unwrap();
        assert_eq!(
            (by_default.signs_for, by_default.published_ahead, by_default.access_ttl),
            (Duration::days(30), Duration::minutes(15), Duration::minutes(15))
        );
        assert!(rotation(&["--signing-key-ahead-s=301"]).is_ok());
        assert!(rotation(&["--signing-key-ahead-s=300"]).is_err());
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
