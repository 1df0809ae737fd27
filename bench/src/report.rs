//! What was measured, as JSON, as a table and as plots.

use crate::machine::Machine;
use crate::plot::latencies;
use crate::quantiles::Quantiles;
use crate::stairs::Climb;
use crate::step::Step;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) started_in_ms: BTreeMap<String, f64>,
    pub(crate) resident_idle_mb: BTreeMap<String, f64>,
    pub(crate) idle: Option<Idle>,
    pub(crate) orders: Option<Measured>,
    pub(crate) hot: Option<Measured>,
    pub(crate) burst: Option<Burst>,
    pub(crate) read_hot: Option<Measured>,
    pub(crate) read_zipf: Option<Measured>,
    /// Redis there, and not: reads a second, of 10,000 products.
    pub(crate) cache: Option<OnOff>,
    pub(crate) mixed: Option<Measured>,
    /// Transactions of many commands, and of one: orders a second.
    pub(crate) batching: Option<OnOff>,
    pub(crate) scale: Option<Scale>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Idle {
    pub(crate) accept: Quantiles,
    pub(crate) confirmed: Quantiles,
    pub(crate) void: Option<String>,
}

/// The highest rate that is sustained, and the fleet at half and at four fifths of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Not there where one rate was asked for: then both steps below are that one.
    pub(crate) climb: Option<Climb>,
    pub(crate) at_half: Step,
    pub(crate) at_most: Step,
}

impl Measured {
    /// As people read it.
    fn sustained(&self) -> String {
        per_s(self.climb.as_ref().map(|climb| climb.sustained))
    }

    fn steps(&self) -> Vec<&Step> {
        if self.climb.is_some() { vec![&self.at_half, &self.at_most] } else { vec![&self.at_most] }
    }
}

/// 0 is a staircase on which no step held.
fn per_s(rate: Option<f64>) -> String {
    match rate {
        None => "not measured".to_owned(),
        Some(0.0) => "no step was sustained".to_owned(),
        Some(rate) => format!("{rate:.0}/s"),
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Burst {
    pub(crate) accepted_per_s: f64,
    pub(crate) step: Step,
}

/// Sustained rates with a part of the design switched on, and off.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct OnOff {
    pub(crate) on: f64,
    pub(crate) off: f64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Scale {
    /// Orders stored at the first and at the last measurement.
    pub(crate) orders: (u64, u64),
    pub(crate) few: Step,
    pub(crate) many: Step,
    pub(crate) few_products: Step,
    pub(crate) many_products: Step,
}

impl Scale {
    fn steps(&self) -> [&Step; 4] {
        [&self.few, &self.many, &self.few_products, &self.many_products]
    }
}

impl Report {
    pub(crate) fn new(
        machine: Machine,
        started_in_ms: BTreeMap<String, f64>,
        resident_idle_mb: BTreeMap<String, f64>,
    ) -> Self {
        Self {
            machine,
            started_in_ms,
            resident_idle_mb,
            idle: None,
            orders: None,
            hot: None,
            burst: None,
            read_hot: None,
            read_zipf: None,
            cache: None,
            mixed: None,
            batching: None,
            scale: None,
        }
    }

    /// Whether any figure that is told does not count. Of the steps of a staircase those that fail only end it.
    pub(crate) fn is_void(&self) -> bool {
        self.measured().iter().any(|(_, m)| m.at_half.void.is_some() || m.at_most.void.is_some())
            || self.idle.as_ref().is_some_and(|idle| idle.void.is_some())
            || self.scale.as_ref().is_some_and(|scale| scale.steps().iter().any(|step| step.void.is_some()))
    }

    fn measured(&self) -> Vec<(&'static str, &Measured)> {
        let all = [
            ("orders", &self.orders),
            ("hot", &self.hot),
            ("mixed", &self.mixed),
            ("reads of one product", &self.read_hot),
            ("reads of 10,000", &self.read_zipf),
        ];
        all.into_iter().filter_map(|(name, measured)| Some((name, measured.as_ref()?))).collect()
    }

    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("the folder {} can't be made", dir.display()))?;
        fs::write(dir.join("results.json"), serde_json::to_string_pretty(self)? + "\n")?;
        fs::write(dir.join("results.md"), self.markdown())?;
        for (name, measured) in self.measured() {
            let curves: Vec<(String, &Quantiles)> = measured
                .steps()
                .into_iter()
                .flat_map(|step| {
                    let at = |what: &str| format!("{what} at {:.0}/s", step.rate);
                    [
                        (at("answered"), &step.accept),
                        (at("confirmed"), &step.confirmed),
                        (at("notified"), &step.notified),
                    ]
                })
                .filter(|(_, quantiles)| !quantiles.points().is_empty())
                .collect();
            fs::write(dir.join(format!("{}.svg", name.replace([' ', ','], "-"))), latencies(name, &curves))?;
        }
        Ok(())
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from("# Results\n\n");
        self.machine(&mut text);
        self.figures(&mut text);
        self.latencies(&mut text);
        self.costs(&mut text);
        self.written(&mut text);
        self.sizes(&mut text);
        text
    }

    fn machine(&self, text: &mut String) {
        let Machine { cpu, cores, memory_gib, kernel, postgres, kafka, redis, huge_pages, fdatasync_per_s } =
            &self.machine;
        let pages = if *huge_pages { " with its shared memory in huge pages" } else { "" };
        let fsync = fdatasync_per_s.map_or("not measured".to_owned(), |n| format!("{n:.0} a second"));
        let _ = writeln!(
            text,
            "Made by `cargo xtask bench`. Machine: {cores} cores of {cpu}, {memory_gib:.0} GiB, Linux {kernel}, PostgreSQL \
             {postgres}{pages}, Kafka {kafka}, Redis {redis}; fdatasync of 8 KiB: {fsync}. Generator, servers and services share it.\n"
        );
    }

    fn figures(&self, text: &mut String) {
        let mut row = |figure: &str, value: String| {
            let _ = writeln!(text, "| {figure} | {value} |");
        };
        row("figure", "measured".to_owned());
        row("---", "---".to_owned());
        if let Some(m) = &self.orders {
            row("orders accepted, charged, confirmed and notified, sustained", m.sustained());
            let (p50, p99) = (m.at_half.confirmed.ms(0.5), m.at_half.confirmed.ms(0.99));
            row(&format!("due to confirmed at {:.0}/s", m.at_half.rate), format!("p50 {p50:.0} ms, p99 {p99:.0} ms"));
        }
        if let Some(m) = &self.hot {
            row("the same, all of one product", m.sustained());
        }
        if let Some(OnOff { on, off }) = self.batching {
            row("the same with `BATCH_MAX=1`", format!("{} against {}", per_s(Some(off)), per_s(Some(on))));
        }
        if let Some(burst) = &self.burst {
            row("accepted in a burst of 20 s", format!("{:.0}/s", burst.accepted_per_s));
            row("until the last of them is notified", format!("{:.1} s", burst.step.drain_s));
        }
        if let Some(idle) = &self.idle {
            let (accept, confirmed) = (idle.accept.ms(0.5), idle.confirmed.ms(0.5));
            row("one order on an idle fleet", format!("accepted {accept:.1} ms, confirmed {confirmed:.1} ms (p50)"));
        }
        if let Some(m) = &self.read_hot {
            row("reads of one product, sustained", m.sustained());
        }
        if let Some(m) = &self.read_zipf {
            row("reads of 10,000 products (Zipf), sustained", m.sustained());
        }
        if let Some(cache) = self.cache {
            row("the same without Redis", per_s(Some(cache.off)));
        }
        if let Some(m) = &self.mixed {
            row("nine reads to one order, sustained", m.sustained());
        }
        if let Some(Scale { orders, few, many, few_products, many_products }) = &self.scale {
            let ratio = |a: &Step, b: &Step| b.usage.fleet_cpu_us() / a.usage.fleet_cpu_us();
            row(
                &format!("processor time an order with {} orders stored against {}", orders.1, orders.0),
                format!("{:.2}", ratio(few, many)),
            );
            row("the same with 100,000 products against 100", format!("{:.2}", ratio(few_products, many_products)));
        }
        text.push('\n');
    }

    fn latencies(&self, text: &mut String) {
        if self.measured().is_empty() {
            return;
        }
        text.push_str("Milliseconds from when a request was due, p50 / p99:\n\n| load | rate | answered | confirmed | notified | late sends |\n|---|---|---|---|---|---|\n");
        for (name, measured) in self.measured() {
            for step in measured.steps() {
                let pair = |q: &Quantiles| {
                    if q.points().is_empty() {
                        "–".to_owned()
                    } else {
                        format!("{:.1} / {:.1}", q.ms(0.5), q.ms(0.99))
                    }
                };
                let _ = writeln!(
                    text,
                    "| {name} | {:.0}/s | {} | {} | {} | {} of {}{} |",
                    step.rate,
                    pair(&step.accept),
                    pair(&step.confirmed),
                    pair(&step.notified),
                    step.late,
                    step.requests,
                    step.void.as_deref().map(|why| format!(" (void: {why})")).unwrap_or_default(),
                );
            }
        }
        text.push('\n');
    }

    fn costs(&self, text: &mut String) {
        let steps: Vec<(&str, &Step)> = self.measured().into_iter().map(|(name, m)| (name, &m.at_most)).collect();
        let Some((_, first)) = steps.first() else { return };
        let processes: Vec<&String> = first.usage.cpu_us.keys().collect();
        let heads: String = processes.iter().map(|name| format!(" {name} |")).collect();
        let rules = "---|".repeat(processes.len());
        let _ = writeln!(
            text,
            "Microseconds of processor time, each order (or read); commits, bytes of log and requests to Kafka likewise:\n\n\
             | load | rate | all but the generator |{heads} commits | log | Kafka | steal |\n|---|---|---|{rules}---|---|---|---|"
        );
        for (name, step) in &steps {
            let usage = &step.usage;
            // No fleet asks Kafka nothing: then nothing was told.
            let told = (usage.kafka_requests > 0.0).then(|| format!("{:.2}", usage.kafka_requests));
            let kafka = told.unwrap_or_else(|| "not told".to_owned());
            let cpu: String = processes
                .iter()
                .map(|process| format!(" {:.0} |", usage.cpu_us.get(*process).copied().unwrap_or(f64::NAN)))
                .collect();
            let _ = writeln!(
                text,
                "| {name} | {:.0}/s | {:.0} |{cpu} {:.3} | {:.0} | {} | {:.1} s |",
                step.rate,
                usage.fleet_cpu_us(),
                usage.commits,
                usage.wal_bytes,
                kafka,
                usage.steal_s
            );
        }
        text.push('\n');
    }

    fn written(&self, text: &mut String) {
        let Some(orders) = &self.orders else { return };
        let step = &orders.at_most;
        let _ = writeln!(
            text,
            "Written an order, at {:.0}/s; an update that touches no index is a HOT one:\n\n\
             | schema | rows inserted | updated | of them HOT | events | transactions |\n|---|---|---|---|---|---|",
            step.rate
        );
        for (schema, written) in &step.usage.written {
            let transactions = written.transactions.map_or("–".to_owned(), |n| format!("{n:.3}"));
            let _ = writeln!(
                text,
                "| {schema} | {:.2} | {:.2} | {:.2} | {:.2} | {transactions} |",
                written.inserted, written.updated, written.hot, written.events
            );
        }
        text.push('\n');
    }

    fn sizes(&self, text: &mut String) {
        let most = self.measured().into_iter().next().map(|(_, measured)| &measured.at_most);
        text.push_str("| service | start to ready | resident idle | under load | commands in a transaction |\n|---|---|---|---|---|\n");
        for (service, ms) in &self.started_in_ms {
            let idle = self.resident_idle_mb.get(service).copied().unwrap_or(f64::NAN);
            let loaded = most
                .and_then(|step| step.resident_mb.get(service))
                .map_or("–".to_owned(), |mb| format!("{mb:.0} MB"));
            let batch =
                most.and_then(|step| step.usage.batch.get(service)).map_or("–".to_owned(), |n| format!("{n:.0}"));
            let _ = writeln!(text, "| {service} | {ms:.0} ms | {idle:.0} MB | {loaded} | {batch} |");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let machine = Machine {
            cpu: "a processor".to_owned(),
            cores: 2,
            memory_gib: 24.0,
            kernel: "6".to_owned(),
            postgres: "15".to_owned(),
            kafka: "4".to_owned(),
            redis: "7".to_owned(),
            huge_pages: true,
            fdatasync_per_s: None,
        };
        Report::new(machine, [("order".to_owned(), 60.0)].into(), BTreeMap::new())
    }

    fn measured(sustained: f64, void: Option<&str>) -> Measured {
        let step = |rate: f64| Step { rate, void: void.map(ToOwned::to_owned), ..Step::default() };
        let (at_half, at_most) = (step(sustained * 0.5), step(sustained * 0.8));
        Measured { climb: Some(Climb { sustained, steps: Vec::new() }), at_half, at_most }
    }

    #[test]
    fn what_was_not_measured_is_not_told() {
        let text = report().markdown();
        assert!(text.contains("2 cores of a processor") && text.contains("fdatasync of 8 KiB: not measured"));
        assert!(!text.contains("sustained") && !report().is_void());
    }

    #[test]
    fn figures_are_told_as_they_were_measured() {
        let report = Report { orders: Some(measured(1000.0, None)), ..report() };
        let text = report.markdown();
        assert!(text.contains("sustained | 1000/s |"), "{text}");
        assert!(text.contains("due to confirmed at 500/s"), "{text}");
        assert!(!report.is_void());
        let none = Report { orders: Some(measured(0.0, None)), ..report };
        assert!(none.markdown().contains("no step was sustained"));
    }

    #[test]
    fn a_void_step_voids_the_report_and_says_why() {
        let report = Report { orders: Some(measured(1000.0, Some("too late"))), ..report() };
        assert!(report.is_void() && report.markdown().contains("(void: too late)"));
    }
}
