//! Calls that arrive while the ledger is being written are written together, next: a hop that took a transaction a
//! call would be the slowest of all.

use std::future::Future;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

/// How many calls may wait for the ledger; more wait outside, within their callers' time-outs.
const QUEUE: usize = 4096;
/// How many calls one transaction takes.
const GROUP_MAX: usize = 500;
/// Within what time calls are taken for calls of one moment.
const TOGETHER: Duration = Duration::from_millis(1);

/// Where calls wait for the task that writes them.
#[derive(Debug)]
pub(super) struct Grouped<Q, A> {
    calls: mpsc::Sender<(Q, oneshot::Sender<A>)>,
}

impl<Q, A> Clone for Grouped<Q, A> {
    fn clone(&self) -> Self {
        Self { calls: self.calls.clone() }
    }
}

impl<Q: Send + 'static, A: Send + 'static> Grouped<Q, A> {
    /// `write` answers a group of calls in their order; where it fails, none of them gets an answer.
    pub(super) fn start<W, F>(what: &'static str, write: W) -> Self
    where
        W: Fn(Vec<Q>) -> F + Send + 'static,
        F: Future<Output = Result<Vec<A>, sqlx::Error>> + Send,
    {
        let (calls, mut waiting) = mpsc::channel::<(Q, oneshot::Sender<A>)>(QUEUE);
        tokio::spawn(async move {
            let mut group = Vec::new();
            while waiting.recv_many(&mut group, GROUP_MAX).await > 0 {
                // The calls of one batch start together, each as a task of its own.
                sleep(TOGETHER).await;
                while group.len() < GROUP_MAX
                    && let Ok(call) = waiting.try_recv()
                {
                    group.push(call);
                }
                let (questions, callers): (Vec<Q>, Vec<_>) = group.drain(..).unzip();
                match write(questions).await {
                    Ok(answers) => {
                        for (caller, answer) in callers.into_iter().zip(answers) {
                            // A caller that has given up looks the result up.
                            let _ = caller.send(answer);
                        }
                    }
                    Err(error) => tracing::warn!(%error, calls = callers.len(), what, "the provider's ledger failed"),
                }
            }
        });
        Self { calls }
    }

    /// `None`: it may or may not have been done.
    pub(super) async fn ask(&self, question: Q) -> Option<A> {
        let (caller, answer) = oneshot::channel();
        self.calls.send((question, caller)).await.ok()?;
        answer.await.ok()
    }
}
