//! Where admins see to dead letters.

use super::letter::{self, DeadLetter, LetterStatus};
use super::settlement::{Decided, Decision, Settlement};
use crate::Machine;
use crate::answer::Answer;
use crate::consumer::{Subscription, work_of};
use crate::context::Cause;
use crate::lanes::{Refused, Work};
use crate::start::{Request, Writer};
use futures::future::BoxFuture;
use sqlx::postgres::PgPool;
use std::sync::Arc;
use uuid::Uuid;

type Settle =
    dyn Fn(Request<Settlement>, Option<&DeadLetter>) -> BoxFuture<'static, Result<Answer, Refused>> + Send + Sync;

/// The dead letters of one service: read from the pool, settled by its writer.
#[derive(Clone)]
pub struct DeadLetters {
    pool: PgPool,
    /// Knows the service's commands, which those who show and settle letters need not.
    settle: Arc<Settle>,
}

impl DeadLetters {
    pub(crate) fn new<M: Machine>(pool: PgPool, writer: Writer<M>, topics: Vec<Subscription<M::Command>>) -> Self {
        let settle = move |request: Request<Settlement>, again: Option<&DeadLetter>| {
            let mut cause = Cause::of(request.trace, &request.request_id);
            let work = again.map_or(Work::Skip, |letter| work_again(&topics, letter, &mut cause));
            let writer = writer.clone();
            Box::pin(async move { writer.settle(request, work, cause).await }) as BoxFuture<'static, _>
        };
        Self { pool, settle: Arc::new(settle) }
    }

    /// Up to `limit` letters before `before`, newest first; with `status`, those that have it.
    ///
    /// # Errors
    /// Those of Postgres.
    pub async fn page(
        &self,
        status: Option<LetterStatus>,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<DeadLetter>, sqlx::Error> {
        letter::page(&self.pool, status, before, limit).await
    }

    /// # Errors
    /// Those of Postgres.
    pub async fn find(&self, id: Uuid) -> Result<Option<DeadLetter>, sqlx::Error> {
        letter::find(&self.pool, id).await
    }

    /// Applies the record of `letter`, which is whole, again. What it does is committed with the letter's new status:
    /// both or neither, and once, whoever asks for it how often. Where it fails again, the letter stays dead, for its
    /// new cause.
    ///
    /// # Errors
    /// As [`Writer::submit`].
    pub async fn redrive(&self, letter: &DeadLetter, request: Request<Decided>) -> Result<Answer, Refused> {
        (self.settle)(settlement(letter.id, Decision::Redrive, request), Some(letter)).await
    }

    /// Passes a record by for good.
    ///
    /// # Errors
    /// As [`Writer::submit`].
    pub async fn discard(&self, id: Uuid, request: Request<Decided>) -> Result<Answer, Refused> {
        (self.settle)(settlement(id, Decision::Discard, request), None).await
    }
}

fn settlement(letter: Uuid, decision: Decision, request: Request<Decided>) -> Request<Settlement> {
    let Request { command: decided, idempotency, trace, request_id, id } = request;
    Request { command: Settlement { letter, decision, decided }, idempotency, trace, request_id, id }
}

/// What the letter's record asks for, as if it had just been consumed.
fn work_again<C>(topics: &[Subscription<C>], letter: &DeadLetter, cause: &mut Cause) -> Work<C> {
    match topics.iter().find(|subscription| subscription.topic.name == letter.topic) {
        Some(subscription) => work_of(subscription.read, letter.payload.as_deref(), cause),
        None => Work::Condemned(format!("{} is no longer read here", letter.topic)),
    }
}
