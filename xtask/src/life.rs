//! When what has died is started again.

use std::time::{Duration, Instant};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long what dies again and again waits at most.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// What has run so long has recovered.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// Of a process that is to run for ever.
pub(crate) struct Life {
    started: Instant,
    ended: Option<Instant>,
    pause: Duration,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    /// It has ended just now, and starts after a pause.
    Tell(Duration),
    /// Now.
    Start,
}

impl Life {
    pub(crate) fn starts(now: Instant) -> Self {
        Self { started: now, ended: None, pause: FIRST_PAUSE }
    }

    /// To be asked again and again. After `Start`, it counts as started, whatever comes of it.
    pub(crate) fn next(&mut self, alive: bool, now: Instant) -> Next {
        match self.ended {
            _ if alive => {
                if now - self.started >= HEALTHY_AFTER {
                    self.pause = FIRST_PAUSE;
                }
                Next::Nothing
            }
            None => {
                self.ended = Some(now);
                Next::Tell(self.pause)
            }
            Some(ended) if now - ended < self.pause => Next::Nothing,
            Some(_) => {
                self.pause = (self.pause * 2).min(MAX_PAUSE);
                (self.started, self.ended) = (now, None);
                Next::Start
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_it_has_recovered() {
        let mut now = Instant::now();
        let mut life = Life::starts(now);
        let second = Duration::from_secs(1);
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            let pause = second * pause;
            assert_eq!(life.next(false, now), Next::Tell(pause));
            assert_eq!(life.next(false, now + pause / 2), Next::Nothing);
            now += pause;
            assert_eq!(life.next(false, now), Next::Start);
        }
        assert_eq!(life.next(true, now + HEALTHY_AFTER - second), Next::Nothing);
        assert_eq!(life.next(true, now + HEALTHY_AFTER), Next::Nothing);
        assert_eq!(life.next(false, now + HEALTHY_AFTER), Next::Tell(FIRST_PAUSE));
    }
}
