//! What every service is told from outside, by environment and flag: groups of clap arguments, which a service's own
//! `config.rs` flattens. `--help` documents all of them.

mod secret;

pub use secret::{KafkaProperty, Secret};

use crate::http::openapi::SpecUrl;
use crate::telemetry::LogFormat;
use anyhow::Context;
use engine::{KafkaSettings, Machine, SessionBounds, Settings};
use sqlx::postgres::PgConnectOptions;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

/// All groups that every service has.
#[derive(Debug, Clone, clap::Args)]
pub struct CommonArgs {
    #[command(flatten)]
    pub process: ProcessArgs,
    #[command(flatten)]
    pub http: HttpArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub kafka: KafkaArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub oidc: OidcArgs,
    /// Whether the service loads its demo data once, through its own writer.
    #[arg(long = "demo", env = "RTOMS_DEMO", default_value = "false", num_args = 0..=1, default_missing_value = "true")]
    #[arg(value_parser = clap::builder::BoolishValueParser::new(), help_heading = "Demo")]
    pub demo: bool,
}

impl CommonArgs {
    /// What the engine needs to know, without the service's own subscriptions, timers and effects.
    ///
    /// # Errors
    /// `DATABASE_URL` is no URL of Postgres.
    pub fn engine_settings<M: Machine>(&self, pool: sqlx::PgPool) -> anyhow::Result<Settings<M>> {
        Ok(Settings {
            database: self.database.options()?,
            pool,
            kafka: self.kafka.settings(),
            batch_max: self.engine.batch_max,
            batch_rest_max: self.engine.batch_rest_max,
            requests_max: self.engine.requests_max,
            outbox_max_rows: self.engine.outbox_max_rows,
            session: SessionBounds::default(),
            subscriptions: Vec::new(),
            gather: Duration::ZERO,
            timers: Vec::new(),
            perform: None,
        })
    }
}

/// Logs and threads.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Process")]
pub struct ProcessArgs {
    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What is logged, as directives of tracing-subscriber's `EnvFilter`, such as `info,engine=debug`.
    #[arg(long, env = "LOG", default_value = "info")]
    pub log: String,
    /// Threads that serve HTTP. The engine has its own.
    #[arg(long, env = "WORKER_THREADS", default_value_t = 2, value_parser = at_least_one)]
    pub worker_threads: usize,
}

/// The HTTP server.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpArgs {
    /// Where to listen [default: 127.0.0.1 and the service's own port: product 8181, payment 8182, order 8183,
    /// notification 8184, inventory 8185]
    #[arg(long, env = "HTTP_ADDR")]
    pub http_addr: Option<SocketAddr>,
    /// How long the head of a request may take to arrive, and a kept connection may lie idle, in milliseconds.
    #[arg(long = "http-header-timeout-ms", env = "HTTP_HEADER_TIMEOUT_MS", default_value = "20000")]
    #[arg(value_parser = millis, value_name = "MS")]
    pub header_timeout: Duration,
    /// How long the body of a request may take to arrive, in milliseconds.
    #[arg(long = "http-body-timeout-ms", env = "HTTP_BODY_TIMEOUT_MS", default_value = "10000")]
    #[arg(value_parser = millis, value_name = "MS")]
    pub body_timeout: Duration,
    /// The specifications that Swagger UI offers besides the service's own, as `name=url`, separated by commas
    /// [default: the other services on localhost]
    #[arg(long, env = "SPEC_URLS", value_delimiter = ',')]
    pub spec_urls: Vec<SpecUrl>,
}

impl HttpArgs {
    /// The address, or the service's own port on this host.
    #[must_use]
    pub fn addr(&self, port: u16) -> SocketAddr {
        self.http_addr.unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }
}

/// PostgreSQL.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "PostgreSQL")]
pub struct DatabaseArgs {
    /// The service's own role, whose search_path is its schema: `postgres://role:password@host/database`, with
    /// `?sslmode=verify-full&sslrootcert=…` for TLS.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Secret,
    /// Connections for reads; the writer has its own.
    #[arg(long, env = "DATABASE_POOL_MAX", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub database_pool_max: u32,
}

impl DatabaseArgs {
    /// # Errors
    /// The URL is none of Postgres.
    pub fn options(&self) -> anyhow::Result<PgConnectOptions> {
        let url = self.database_url.expose();
        // sqlx takes any scheme for its own.
        let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
        // The cause of a refusal could repeat the password.
        PgConnectOptions::from_str(url)
            .ok()
            .filter(|_| is_postgres)
            .context("DATABASE_URL is no URL of the form postgres://role:password@host/database")
    }
}

/// Kafka.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaArgs {
    /// `host:port`, separated by commas.
    #[arg(long, env = "KAFKA_BROKERS", default_value = "localhost:19092")]
    pub kafka_brokers: String,
    /// Partitions of a topic that has to be made.
    #[arg(long, env = "TOPIC_PARTITIONS", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..))]
    pub topic_partitions: i32,
    /// Replicas of a topic that has to be made.
    #[arg(long, env = "TOPIC_REPLICATION", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    pub topic_replication: i32,
    /// A property of librdkafka as `name=value`, such as those of TLS and SASL; may be given again, and is separated by
    /// semicolons in the environment.
    #[arg(long = "kafka-property", env = "KAFKA_PROPERTIES", value_delimiter = ';', hide_env_values = true)]
    pub kafka_properties: Vec<KafkaProperty>,
}

impl KafkaArgs {
    #[must_use]
    pub fn settings(&self) -> KafkaSettings {
        KafkaSettings {
            brokers: self.kafka_brokers.clone(),
            partitions: self.topic_partitions,
            replication: self.topic_replication,
            properties: self.kafka_properties.iter().map(KafkaProperty::to_pair).collect(),
        }
    }
}

/// The writer and its outbox.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// The most commands that one transaction takes.
    #[arg(long, env = "BATCH_MAX", default_value_t = 512, value_parser = at_least_one)]
    pub batch_max: usize,
    /// The longest rest after a transaction that leaves nothing waiting, in microseconds: what comes meanwhile is in the
    /// next. It rests twice as long as the transaction took.
    #[arg(long = "batch-rest-max-us", env = "BATCH_REST_MAX_US", default_value = "5000", value_parser = micros, value_name = "US")]
    pub batch_rest_max: Duration,
    /// How many requests may wait for the writer before more are answered 503.
    #[arg(long, env = "REQUESTS_MAX", default_value_t = 4096, value_parser = at_least_one)]
    pub requests_max: usize,
    /// How many events may wait for Kafka before requests are answered 503.
    #[arg(long, env = "OUTBOX_MAX_ROWS", default_value_t = 100_000, value_parser = clap::value_parser!(i64).range(1..))]
    pub outbox_max_rows: i64,
}

/// Who issues the tokens.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Tokens")]
pub struct OidcArgs {
    /// The issuer, as `iss` of its tokens has it.
    #[arg(long, env = "OIDC_ISSUER", default_value = "http://localhost:8183")]
    pub oidc_issuer: String,
    /// Where its keys are [default: by discovery, from <issuer>/.well-known/openid-configuration]
    #[arg(long, env = "OIDC_JWKS_URL")]
    pub oidc_jwks_url: Option<String>,
    /// How often its keys are fetched, in seconds. It publishes the next key for longer than this before it signs.
    #[arg(long = "oidc-refresh-s", env = "OIDC_REFRESH_S", default_value = "300", value_parser = seconds, value_name = "S")]
    pub refresh_every: Duration,
    /// What `aud` has to name.
    #[arg(long, env = "OIDC_AUDIENCE", default_value = "rtoms")]
    pub oidc_audience: String,
    /// Where "Authorize" in Swagger UI gets a token for a name and a password.
    #[arg(long, env = "OIDC_TOKEN_URL", default_value = "http://localhost:8183/auth/token")]
    pub oidc_token_url: String,
    /// The path of the claim that lists the roles.
    #[arg(long, env = "OIDC_ROLES_CLAIM", default_value = "realm_access.roles")]
    pub oidc_roles_claim: String,
}

/// A duration from milliseconds, for clap's `value_parser`.
///
/// # Errors
/// No whole number.
pub fn millis(text: &str) -> Result<Duration, ParseIntError> {
    text.parse().map(Duration::from_millis)
}

/// A duration from microseconds, for clap's `value_parser`.
///
/// # Errors
/// No whole number.
pub fn micros(text: &str) -> Result<Duration, ParseIntError> {
    text.parse().map(Duration::from_micros)
}

/// A duration of at least a second, for clap's `value_parser`.
///
/// # Errors
/// No whole number, or zero.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(s) => Ok(Duration::from_secs(s)),
        Err(error) => Err(ParseIntError::to_string(&error)),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(n) => Ok(n),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Debug, Parser)]
    struct Config {
        #[command(flatten)]
        common: CommonArgs,
    }

    const ARGS: [&str; 5] = [
        "service",
        "--database-url=postgres://product:hunter2@localhost/rtoms",
        "--kafka-property=sasl.password=hunter2=",
        "--kafka-property=security.protocol=SASL_SSL",
        "--demo",
    ];

    #[test]
    fn defaults_suit_a_local_run() {
        Config::command().debug_assert();
        let config = Config::try_parse_from(ARGS).unwrap().common;
        assert_eq!(config.http.addr(8181).to_string(), "127.0.0.1:8181");
        assert_eq!(config.kafka.topic_partitions, 3);
        assert_eq!(config.oidc.oidc_roles_claim, "realm_access.roles");
        assert!(config.demo);
        assert_eq!(
            config.kafka.settings().properties,
            [
                ("sasl.password".to_owned(), "hunter2=".to_owned()),
                ("security.protocol".to_owned(), "SASL_SSL".to_owned())
            ]
        );
    }

    #[test]
    fn secrets_show_neither_in_debug_nor_in_help() {
        let config = Config::try_parse_from(ARGS).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let wrong = ["service", "--database-url=mysql://hunter2"];
        let options = Config::try_parse_from(wrong).unwrap().common.database.options();
        assert!(!format!("{:?}", options.unwrap_err()).contains("hunter2"));
        let refused = Config::try_parse_from(["service", "--database-url=x", "--kafka-property=hunter2"]);
        assert!(refused.unwrap_err().to_string().contains("name=value"));
        for id in ["database_url", "kafka_properties"] {
            let command = Config::command();
            let arg = command.get_arguments().find(|arg| arg.get_id() == id).unwrap();
            assert!(arg.is_hide_env_values_set(), "{id}");
        }
    }
}
