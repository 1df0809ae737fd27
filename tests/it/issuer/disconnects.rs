//! Clients that do not wait for their answer.

use super::{Account, refresh, text};
use crate::shop::Shop;
use anyhow::{Context, Result};
use futures::future::try_join_all;
use std::time::Duration;
use testkit::annex::{api_of, free_url};
use testkit::api::Service;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

const CLIENTS: u64 = 400;
/// They go away after up to so long: at every moment of their request.
const AWAY_WITHIN: Duration = Duration::from_millis(8);

/// A transaction that a client leaves behind must not be the next one's.
pub(crate) async fn a_client_that_goes_away_spoils_nothing(shop: Shop) -> Result<()> {
    let annex = shop.annex().await?;
    let url = free_url()?;
    let database = annex.database_url("identity")?;
    let issuer = annex.launch(Service::Order, &url, &url, &[("IDENTITY_DATABASE_URL", &database)])?;
    issuer.ready().await?;
    let somebody = api_of(&[&issuer])?.anonymous();
    let account = Account::register(&somebody).await?;
    let login = account.log_in(&somebody).await?.expect(200)?;
    let token = text(&login, "refresh_token")?;
    for round in 0..CLIENTS / 8 {
        let step = AWAY_WITHIN / u32::try_from(CLIENTS)?;
        let away = (0..8).map(|n| go_away(&url, token, step * u32::try_from(round * 8 + n).unwrap_or_default()));
        try_join_all(away).await?;
    }
    // More than the issuer has connections.
    for _ in 0..12 {
        let login = account.log_in(&somebody).await?.expect(200)?;
        let next = refresh(&somebody, text(&login, "refresh_token")?).await?.expect(200).context("a new login")?;
        refresh(&somebody, text(&next, "refresh_token")?).await?.expect(200).context("renewed")?;
    }
    Ok(())
}

/// Sends a refresh, and closes the connection after some time.
async fn go_away(url: &str, token: &str, after: Duration) -> Result<()> {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").context("the URLs here are http")?).await?;
    let form = format!("grant_type=refresh_token&refresh_token={token}");
    let request = format!(
        "POST /auth/token HTTP/1.1\r\nhost: issuer\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).await?;
    sleep(after).await;
    Ok(())
}
