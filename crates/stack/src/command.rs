//! Programs that run to their end, each within a bound.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How much of what a failed program said is shown.
const TOLD_LINES: usize = 12;

/// Runs a program without input, and returns what it wrote to its standard output. `what` is how an error names it.
///
/// # Errors
/// What it said, where it failed; that it took longer than `bound`, after which it is killed.
pub fn run(command: &mut Command, what: &str, bound: Duration) -> Result<String> {
    run_with(command, Stdio::null(), what, bound)
}

/// The same, with an input.
///
/// # Errors
/// As [`run`].
pub fn run_with(command: &mut Command, input: impl Into<Stdio>, what: &str, bound: Duration) -> Result<String> {
    // Files and no pipes: they are read at the end, and a pipe that is full would hold the program for ever.
    let file = || tempfile::tempfile().context("a temporary file can't be made: is the disk full?");
    let (output, errors) = (file()?, file()?);
    command.stdin(input).stdout(output.try_clone()?).stderr(errors.try_clone()?);
    let mut child = command.spawn().with_context(|| format!("{what}: {:?} can't be run", command.get_program()))?;
    let until = Instant::now() + bound;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            bail!("{what} took longer than {} s", bound.as_secs());
        }
        thread::sleep(Duration::from_millis(5));
    };
    let output = text(output)?;
    if !status.success() {
        let said = output + &text(errors)?;
        let lines: Vec<&str> = said.trim().lines().collect();
        bail!("{what} failed:\n{}", lines[lines.len().saturating_sub(TOLD_LINES)..].join("\n"));
    }
    Ok(output)
}

fn text(mut file: File) -> Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, bound: Duration) -> Result<String> {
        run(Command::new("sh").args(["-c", script]), "the script", bound)
    }

    #[test]
    fn what_it_says_is_told() {
        let bound = Duration::from_secs(20);
        assert_eq!(shell("echo out; echo err >&2", bound).unwrap(), "out\n");
        let error = shell("seq 99; echo 100 >&2; exit 3", bound).unwrap_err().to_string();
        assert!(error.starts_with("the script failed:\n89\n") && error.ends_with("\n100"), "{error}");
    }

    #[test]
    fn it_ends_within_its_bound() {
        let started = Instant::now();
        let error = shell("sleep 60", Duration::from_millis(50)).unwrap_err().to_string();
        assert_eq!(error, "the script took longer than 0 s");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}
