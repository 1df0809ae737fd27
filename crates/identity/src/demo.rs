//! The two demo users, with ids that never change.

use crate::accounts::{self, NewAccount};
use crate::passwords::Passwords;
use anyhow::Result;
use common::clock;
use sqlx::PgPool;
use uuid::Uuid;

const USERS: [(u128, &str, &str, &[&str]); 2] = [
    (0x0190_0000_0000_7000_8000_0000_0000_0101, "adminuser", "admin123", &["ADMIN", "CUSTOMER"]),
    (0x0190_0000_0000_7000_8000_0000_0000_0102, "customeruser", "customer123", &["CUSTOMER"]),
];

/// Makes those who are not there.
pub(crate) async fn seed(pool: &PgPool, passwords: &Passwords) -> Result<()> {
    for (id, username, password, roles) in USERS {
        if accounts::by_username(pool, username).await?.is_some() {
            continue;
        }
        let account = NewAccount {
            id: Uuid::from_u128(id),
            username: username.to_owned(),
            email: Some(format!("{username}@example.com")),
            name: None,
            password_hash: passwords.hash(password.to_owned()).await?,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        };
        // Where it is taken, another replica was faster.
        let _ = accounts::insert(pool, &account, clock::now()).await?;
    }
    Ok(())
}
