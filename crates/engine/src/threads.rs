//! Threads of the engine's own. A runtime gives its tasks turns without regard to what they do: on the threads that read
//! and answer requests, five hundred busy connections stand before every step of a batch. Here the kernel shares out the
//! processor, and the writer, which mostly waits, gets its turn at once.

use std::future::Future;
use std::io;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// One for the writer, one for what reads and decodes meanwhile.
const THREADS: usize = 2;
/// For what blocks: the producer's flush, leaving the consumer group.
const BLOCKING_THREADS: usize = 8;

/// A runtime that may be dropped wherever its owner is; what still runs then is cut.
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("engine")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.0.as_ref().expect("the runtime is there until the drop").spawn(task)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // To wait would block, which a task of another runtime must not do.
            runtime.shutdown_background();
        }
    }
}
