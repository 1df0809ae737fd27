//! `/metrics` of a service, summed over its replicas.

use crate::api::{Api, Service};
use anyhow::{Context, Result};

/// The sum of all samples of `name` whose labels contain `label`, such as `lane="events"`.
///
/// # Errors
/// A replica does not answer.
pub async fn sum(api: &Api, service: Service, name: &str, label: &str) -> Result<f64> {
    let mut sum = 0.0;
    for url in api.replicas(service) {
        let text = api.http().get(format!("{url}/metrics")).send().await?.error_for_status()?.text().await?;
        for line in text.lines() {
            sum += sample(line, name, label).with_context(|| line.to_owned())?;
        }
    }
    Ok(sum)
}

/// What a line of the exposition format adds.
fn sample(line: &str, name: &str, label: &str) -> Result<f64> {
    let Some(rest) = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' '])) else { return Ok(0.0) };
    let (labels, value) = rest.rsplit_once(' ').unwrap_or_default();
    if labels.contains(label) { Ok(value.parse()?) } else { Ok(0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_samples_count() {
        for (line, value) in [
            (r#"commands_total{lane="events"} 12"#, 12.0),
            (r#"commands_total{lane="requests"} 12"#, 0.0),
            (r#"commands_total_more{lane="events"} 12"#, 0.0),
            ("# TYPE commands_total counter", 0.0),
        ] {
            assert!((sample(line, "commands_total", "events").unwrap() - value).abs() < f64::EPSILON, "{line}");
        }
        assert!((sample("up 1", "up", "").unwrap() - 1.0).abs() < f64::EPSILON);
    }
}
