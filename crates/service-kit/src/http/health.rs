//! Whether the process can do its work, as `/readyz` tells it.

use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::Arc;

/// How one dependency is, in the eyes of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Up,
    /// Away, but answers stay right: ready all the same.
    Degraded,
    /// Away, and nothing works without it: not ready.
    Down,
}

impl Condition {
    /// Of a dependency that the process can do without for a while.
    #[must_use]
    pub fn degraded_unless(up: bool) -> Self {
        if up { Self::Up } else { Self::Degraded }
    }

    /// Of a dependency that the process can't do without.
    #[must_use]
    pub fn down_unless(up: bool) -> Self {
        if up { Self::Up } else { Self::Down }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

type Check = Arc<dyn Fn() -> Condition + Send + Sync>;

/// Every check by its name. A check asks nobody: it tells what the process has seen last.
#[derive(Clone, Default)]
pub struct Checks(Vec<(&'static str, Check)>);

impl Checks {
    pub fn add(&mut self, name: &'static str, check: impl Fn() -> Condition + Send + Sync + 'static) {
        self.0.push((name, Arc::new(check)));
    }

    /// Whether the process is ready, and the body that says why.
    pub(super) fn report(&self) -> (bool, Value) {
        let conditions: Vec<(&str, Condition)> = self.0.iter().map(|(name, check)| (*name, check())).collect();
        let any = |wanted: Condition| conditions.iter().any(|(_, condition)| *condition == wanted);
        let status = match (any(Condition::Down), any(Condition::Degraded)) {
            (true, _) => "unready",
            (false, true) => "degraded",
            (false, false) => "ready",
        };
        let checks: Map<String, Value> =
            conditions.iter().map(|(name, condition)| ((*name).to_owned(), json!(condition.name()))).collect();
        (!any(Condition::Down), json!({ "status": status, "checks": checks }))
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(kafka: Condition, postgres: Condition) -> (bool, Value) {
        let mut checks = Checks::default();
        checks.add("kafka", move || kafka);
        checks.add("postgres", move || postgres);
        checks.report()
    }

    #[test]
    fn degraded_is_ready_and_down_is_not() {
        assert_eq!(report(Condition::Up, Condition::Up).1["status"], "ready");
        let (ready, body) = report(Condition::Degraded, Condition::Up);
        assert_eq!(
            (ready, body),
            (true, json!({"status": "degraded", "checks": {"kafka": "degraded", "postgres": "up"}}))
        );
        let (ready, body) = report(Condition::Degraded, Condition::Down);
        assert_eq!((ready, &body["status"]), (false, &json!("unready")));
    }
}
