//! The process: logs, a runtime of few threads, and the signals that end it.

use crate::config::ProcessArgs;
use crate::telemetry;
use anyhow::Context;
use std::future::Future;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

/// The C library's keeps what a burst has taken, a heap for each thread: the order service held 209 MB after 50,000 orders,
/// with this one 50 MB.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long threads that block may take at the very end.
const THREADS_BOUND: Duration = Duration::from_secs(1);
/// Threads for what blocks: password hashes.
const BLOCKING_THREADS: usize = 16;

/// Runs a service until it ends by itself, or by SIGTERM or Ctrl-C, which cancel the token that it is given.
///
/// # Errors
/// Those of `run`, and a log filter that can't be read.
pub fn start<F, R>(args: &ProcessArgs, run: F) -> anyhow::Result<()>
where
    F: FnOnce(CancellationToken) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    telemetry::init(args.log_format, &args.log).context("LOG")?;
    telemetry::metrics().context("starting the metrics")?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(args.worker_threads)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let ended = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let told = shutdown.clone();
        tokio::spawn(async move {
            shutdown_signal().await;
            told.cancel();
        });
        Box::pin(run(shutdown)).await
    });
    runtime.shutdown_timeout(THREADS_BOUND);
    if let Err(error) = &ended {
        tracing::error!("{error:#}");
    }
    ended
}

/// Waits for SIGTERM or Ctrl-C.
pub async fn shutdown_signal() {
    let terminated = async {
        #[cfg(unix)]
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(error) => {
                tracing::error!(%error, "SIGTERM can't be listened for");
                std::future::pending::<()>().await;
            }
        }
        #[cfg(not(unix))]
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = terminated => tracing::info!("told to stop by SIGTERM"),
        _ = tokio::signal::ctrl_c() => tracing::info!("told to stop by Ctrl-C"),
    }
}
