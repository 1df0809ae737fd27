//! The kernel tells a child of the end of the *thread* that made it; so one thread makes them all, and lives on.

use std::io::{Error, Result};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

type Started = Sender<Result<Child>>;

pub(super) fn spawn(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<Sender<(Command, Started)>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, receiver) = channel::<(Command, Started)>();
        thread::spawn(move || {
            for (mut command, started) in receiver {
                // Nobody listens only where the caller's thread is gone.
                let _ = started.send(command.spawn());
            }
        });
        sender
    });
    let (sender, receiver) = channel();
    let gone = || Error::other("the thread that starts processes is gone");
    spawner.send((command, sender)).map_err(|_| gone())?;
    receiver.recv().map_err(|_| gone())?
}
