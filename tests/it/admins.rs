//! `order create-admin`, as a process: the first administrator of a fleet that has none.

use crate::shop::Shop;
use anyhow::{Context, Result, ensure};
use std::io::Write;
use std::process::{Command, Output, Stdio};
use testkit::api::Service;
use testkit::fleet::SERVICE;
use uuid::Uuid;

/// Where nobody listens.
const NO_DATABASE: &str = "postgres://identity:identity@127.0.0.1:9/rtoms";
const PASSWORD: &str = "a long passphrase";

/// Runs it to its end.
async fn create_admin(database: Option<&str>, args: &[&str], input: &str) -> Result<Output> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(SERVICE, "order create-admin").env_remove("IDENTITY_DATABASE_URL").args(args);
    if let Some(database) = database {
        command.env("IDENTITY_DATABASE_URL", database);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_owned();
    let run = move || {
        let mut child = command.spawn()?;
        // One that refuses its arguments reads nothing.
        let _ = child.stdin.take().context("an input")?.write_all(input.as_bytes());
        anyhow::Ok(child.wait_with_output()?)
    };
    tokio::task::spawn_blocking(run).await?
}

pub(crate) async fn an_admin_is_made_at_the_command_line(shop: Shop) -> Result<()> {
    let database = shop.servers.database_url("identity")?;
    let username = format!("root-{}", Uuid::new_v4().simple());
    let args = ["--username", &username, "--password-stdin"];
    let made = create_admin(Some(&database), &args, &format!("{PASSWORD}\n")).await?;
    ensure!(made.status.code() == Some(0), "{made:?}");
    let admin = shop.api.login(&username, PASSWORD).await?;
    let told = admin.get(Service::Order, "/auth/userinfo").await?.expect(200)?;
    ensure!(told["roles"] == serde_json::json!(["ADMIN", "CUSTOMER"]) && told.get("email").is_none(), "{told}");
    admin.get(Service::Payment, "/v1/payments").await?.expect(200)?;

    let upper = username.to_uppercase();
    for taken in [&username, &upper] {
        let again = create_admin(Some(&database), &["--username", taken, "--password-stdin"], PASSWORD).await?;
        refused(&again, 1, &format!("the username {taken} is taken"))?;
    }

    // Before any issuer has started there, too.
    let annex = shop.annex().await?;
    let made = create_admin(Some(&annex.database_url("identity")?), &args, PASSWORD).await?;
    ensure!(made.status.code() == Some(0), "{made:?}");
    Ok(())
}

pub(crate) async fn no_admin_is_made_of_what_can_not_be(shop: Shop) -> Result<()> {
    let database = shop.servers.database_url("identity")?;
    let named = ["--username", "root-of-nothing", "--password-stdin"];
    for (database, args, input, code, why) in [
        (Some(&*database), &named[..], "1234567\n", 1, "the password must have 8 to 128 characters"),
        (Some(&*database), &named, "", 1, "the password must have 8 to 128 characters"),
        (Some(&*database), &["--username", "a b", "--password-stdin"], PASSWORD, 1, "the username must be 3 to 64"),
        (Some(&*database), &["--username", "root-of-nothing"], PASSWORD, 2, "--password-stdin"),
        (Some(&*database), &["--password-stdin"], PASSWORD, 2, "--username"),
        (None, &named, PASSWORD, 2, "--identity-database-url"),
        (Some("mysql://localhost/rtoms"), &named, PASSWORD, 1, "IDENTITY_DATABASE_URL"),
        (Some(NO_DATABASE), &named, PASSWORD, 1, "the database of IDENTITY_DATABASE_URL can't be reached"),
    ] {
        refused(&create_admin(database, args, input).await?, code, why).with_context(|| format!("{args:?}"))?;
    }
    Ok(())
}

fn refused(output: &Output, code: i32, why: &str) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(code) && said.contains(why), "{:?}: {said}", output.status);
    ensure!(output.stdout.is_empty() && !said.contains(PASSWORD), "{output:?}");
    Ok(())
}
