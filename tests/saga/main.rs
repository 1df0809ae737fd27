//! The saga of one order, explored: the real domains of order, inventory and payment, with a provider, topics and people
//! around them, through every interleaving of what can happen.
//!
//! - `domains`: the real domains, one order each; `services`: the same with their real readers, each pair of state and
//!   input worked out once
//! - `provider`, `topics`, `fleet`: what is around them; `next`, `step`: all that can happen
//! - `promises`: what must hold; `rules`: what is broken in turn, to see that it is found
//! - `search`: breadth first; `shortcuts`: what it need not look at

mod domains;
mod fleet;
mod interned;
mod next;
mod promises;
mod provider;
mod rules;
mod search;
mod services;
mod shortcuts;
mod step;
mod topics;
mod words;

use fleet::Setup;
use libtest_mimic::{Arguments, Failed, Trial};
use promises::End;
use rules::Rule;
use search::{Explored, explore};
use std::process::ExitCode;
use step::{Actor, Budgets};

/// How orders end: their own state, their stock's and their payment's, where nothing more happens by itself.
const ENDS: [End; 12] = [
    ("cancelled", "rejected", "voided"),
    ("cancelled", "released", "captured"),
    ("cancelled", "released", "voided"),
    ("confirmed", "held", "captured"),
    ("expired", "rejected", "voided"),
    ("expired", "released", "captured"),
    ("expired", "released", "voided"),
    ("rejected", "rejected", "voided"),
    ("shipped", "shipped", "captured"),
    // With a dead letter that nobody has redriven yet.
    ("rejected", "rejected", "awaiting"),
    ("rejected", "rejected", "none"),
    ("shipped", "held", "captured"),
];

fn main() -> ExitCode {
    // A rule that is broken may well make a domain panic, which is a result as others are; a failed trial is told anyway.
    std::panic::set_hook(Box::new(|_| {}));
    let arguments = Arguments::from_args();
    let all = Budgets::full();
    let without = |actors: &[Actor]| actors.iter().fold(all, |budgets, actor| budgets.with(*actor, 0));
    let no_late_capture = without(&[Actor::CaptureAfterAll, Actor::Lost]).with(Actor::CancelAgain, 1);
    let in_order = without(&[Actor::DeadLetter, Actor::Late]);
    let sure = without(&[Actor::Refund, Actor::Lost, Actor::Refuse]).with(Actor::CancelAgain, 1);
    let repeated = sure.with(Actor::Late, 0).with(Actor::CaptureAfterAll, 0);
    let late = sure.with(Actor::Rewind, 0).with(Actor::PayAgain, 0);
    let mut trials = vec![
        Trial::test("explored", move || explored(no_late_capture, &ENDS)),
        Trial::test("explored_with_captures_after_declines", move || explored(in_order, &ENDS[..9])),
        Trial::test("shortcuts_lose_nothing", move || shortcuts_lose_nothing(repeated)),
        Trial::test("shortcuts_lose_nothing_of_late_records", move || shortcuts_lose_nothing(late)),
        Trial::test("explored_in_full", move || explored(all, &ENDS)).with_ignored_flag(true),
    ];
    for rule in Rule::ALL {
        trials.push(Trial::test(format!("rule::{}", rule.name()), move || caught(rule)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Nothing is wrong in any state, and all `ends` come up.
fn explored(budgets: Budgets, ends: &[End]) -> Result<(), Failed> {
    let explored = explore(Setup::sound(budgets));
    println!("{}", report(&explored));
    if let Some(wrong) = explored.wrong {
        return Err(format!("{}\n  {}", wrong.what, wrong.steps.join("\n  ")).into());
    }
    match ends.iter().find(|end| !explored.ends.contains_key(*end)) {
        Some(missing) => Err(format!("no order ends as {missing:?}").into()),
        None => Ok(()),
    }
}

/// With every state by itself the same ends come up.
fn shortcuts_lose_nothing(budgets: Budgets) -> Result<(), Failed> {
    let with = explore(Setup::sound(budgets));
    let without = explore(Setup { shortcuts: false, ..Setup::sound(budgets) });
    println!("{} states with shortcuts, {} without", with.states, without.states);
    if with.wrong.is_some() || without.wrong.is_some() {
        return Err("something is wrong".into());
    }
    let ends = |explored: &Explored| explored.ends.keys().copied().collect::<Vec<_>>();
    if ends(&with) != ends(&without) {
        return Err(format!("{:?} are not {:?}", ends(&with), ends(&without)).into());
    }
    Ok(())
}

/// With the rule broken something is wrong.
fn caught(rule: Rule) -> Result<(), Failed> {
    let budgets = Budgets::full().with(Actor::Late, 0).with(Actor::CancelAgain, 1);
    let explored = explore(Setup::without(rule, budgets));
    let Some(wrong) = explored.wrong else {
        return Err(format!("not caught in {} states", explored.states).into());
    };
    println!(
        "{}: caught in {} steps ({})\n    {}",
        rule.name(),
        wrong.steps.len(),
        wrong.what,
        wrong.steps.join("\n    ")
    );
    Ok(())
}

fn report(explored: &Explored) -> String {
    let Explored { states, steps, depth, rows: [orders, stocks, payments], applied, ends, took, .. } = explored;
    let mut lines = vec![format!(
        "{states} states, {steps} steps, up to {depth} deep, in {:.0} s ({orders} rows of orders, {stocks} of stock, \
         {payments} of payments; {applied} commands applied)",
        took.as_secs_f64()
    )];
    for ((order, stock, payment), count) in ends {
        lines.push(format!("{count:10} quiet as order={order} stock={stock} payment={payment}"));
    }
    lines.join("\n")
}
