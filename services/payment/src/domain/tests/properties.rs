//! Whatever comes in whatever order, over a provider that keeps its own books.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What the provider does with one call.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Answered,
    /// Done, but nobody hears of it.
    AnswerLost,
    /// Not done, and nobody hears of it.
    CallLost,
    /// Answered, and the answer comes twice.
    AnsweredTwice,
}

/// The provider: one result a key, for ever.
#[derive(Debug, Clone, Default)]
struct Provider {
    /// By key: captured or declined.
    charges: BTreeMap<String, bool>,
    /// By key: the charge, the amount, done or refused.
    refunds: BTreeMap<String, (String, i64, bool)>,
    /// Which attempts (by number) it declines, as bits.
    declines: u32,
    /// How many refunds it still refuses for no good reason.
    refusals: u32,
}

impl Provider {
    /// The result of one call; `None` where the caller gets none.
    fn call(&mut self, effect: &Effect, fate: Fate) -> Option<Command> {
        if matches!(fate, Fate::CallLost) {
            return Some(unknown(effect));
        }
        let result = match effect {
            Effect::Charge(intent) | Effect::LookUpCharge(intent) => {
                let declined = self.declines & (1 << intent.attempt) != 0;
                let captured = *self.charges.entry(intent.key.clone()).or_insert(!declined);
                if captured { charge_captured(intent.attempt) } else { charge_declined(intent.attempt) }
            }
            Effect::Refund(intent) | Effect::LookUpRefund(intent) => {
                if !self.refunds.contains_key(&intent.key) {
                    let amount = intent.amount.amount_minor();
                    let fits = self.charges.get(&intent.charge_key) == Some(&true)
                        && self.refunded(&intent.charge_key) + amount <= TOTAL;
                    let done = fits && self.refusals == 0;
                    self.refusals = self.refusals.saturating_sub(1);
                    self.refunds.insert(intent.key.clone(), (intent.charge_key.clone(), amount, done));
                }
                if self.refunds[&intent.key].2 { refund_done(intent.number) } else { refund_refused(intent.number) }
            }
        };
        (!matches!(fate, Fate::AnswerLost)).then_some(result)
    }

    fn refunded(&self, charge_key: &str) -> i64 {
        self.refunds
            .values()
            .filter(|(charge, _, done)| charge == charge_key && *done)
            .map(|(_, amount, _)| amount)
            .sum()
    }

    fn captured_keys(&self) -> Vec<&String> {
        self.charges.iter().filter(|(_, captured)| **captured).map(|(key, _)| key).collect()
    }

    fn holds(&self) -> i64 {
        self.captured_keys().into_iter().map(|key| TOTAL - self.refunded(key)).sum()
    }
}

fn unknown(effect: &Effect) -> Command {
    match effect {
        Effect::Charge(intent) | Effect::LookUpCharge(intent) => charge_unknown(intent.attempt),
        Effect::Refund(intent) | Effect::LookUpRefund(intent) => refund_unknown(intent.number),
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// The next record of the order topic, or an earlier one again.
    Order {
        back: usize,
    },
    /// The same for the inventory topic.
    Stock {
        back: usize,
    },
    /// An intent's call is made: the oldest one that has not been.
    Call(Fate),
    /// A result that was given before comes again.
    Again(usize),
    /// A timer looks, so many seconds later.
    Later(u64),
    PayAgain,
    Refund(i64),
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Answered),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::CallLost),
        1 => Just(Fate::AnsweredTwice)
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..3_usize).prop_map(|back| Step::Order { back }),
        3 => (0..2_usize).prop_map(|back| Step::Stock { back }),
        4 => fates().prop_map(Step::Call),
        1 => any::<usize>().prop_map(Step::Again),
        2 => (0..60_u64).prop_map(Step::Later),
        1 => Just(Step::PayAgain),
        1 => (1..=TOTAL).prop_map(Step::Refund),
    ];
    proptest::collection::vec(step, 0..40)
}

/// The world, its topics and its provider.
struct Run {
    world: World,
    provider: Provider,
    topics: [Vec<Command>; 2],
    read: [usize; 2],
    results: Vec<Command>,
    /// Whether a cancel was seen that has not been answered by totals that agree.
    unanswered_cancel: bool,
}

impl Run {
    fn new(orders: Vec<Command>, stock: Vec<Command>, declines: u32, refusals: u32) -> Self {
        let provider = Provider { declines, refusals, ..Provider::default() };
        let topics = [orders, stock];
        Self { world: World::new(), provider, topics, read: [0; 2], results: Vec::new(), unanswered_cancel: false }
    }

    fn apply(&mut self, command: &Command) {
        self.unanswered_cancel |= matches!(command, Command::OrderCancelled { .. });
        self.world.apply(command);
        for event in self.world.events.drain(..) {
            let fact = event.fact();
            let given_back = matches!(event, PaymentEvent::Voided(_) | PaymentEvent::Refunded(_));
            if given_back && fact.captured == fact.refunded {
                self.unanswered_cancel = false;
            }
        }
    }

    fn deliver(&mut self, topic: usize, back: usize) {
        let next = self.read[topic];
        let at = if back == 0 { next } else { next.saturating_sub(back) };
        if let Some(command) = self.topics[topic].get(at).cloned() {
            self.read[topic] = next.max(at + 1);
            self.apply(&command);
        }
    }

    fn call(&mut self, fate: Fate) {
        if self.world.effects.is_empty() {
            return;
        }
        let effect = self.world.effects.remove(0);
        if let Some(result) = self.provider.call(&effect, fate) {
            self.apply(&result);
            if matches!(fate, Fate::AnsweredTwice) {
                self.apply(&result);
            }
            self.results.push(result);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Order { back } => self.deliver(0, *back),
            Step::Stock { back } => self.deliver(1, *back),
            Step::Call(fate) => self.call(*fate),
            Step::Again(n) => {
                if let Some(result) = self.results.get(n % self.results.len().max(1)).cloned() {
                    self.apply(&result);
                }
            }
            Step::Later(seconds) => {
                self.world.now += Duration::from_secs(*seconds);
                self.apply(&due());
            }
            Step::PayAgain => self.apply(&process()),
            Step::Refund(minor) => self.apply(&refund(*minor)),
        }
    }

    /// All is delivered, and the provider answers, until nothing more happens by itself.
    fn finish(&mut self) {
        for topic in [0, 1] {
            while self.read[topic] < self.topics[topic].len() {
                self.deliver(topic, 0);
            }
        }
        for _ in 0..200 {
            if !self.world.effects.is_empty() {
                self.call(Fate::Answered);
            } else if let Some(due_at) = self.due_at() {
                self.world.now = self.world.now.max(due_at);
                self.apply(&due());
            } else {
                return;
            }
        }
        panic!("it never ends: {:?}", self.world.row);
    }

    fn due_at(&self) -> Option<OffsetDateTime> {
        match &self.world.row {
            Some(Row::Payment(payment)) => payment.due_at(),
            _ => None,
        }
    }
}

fn cancelled_so_often(times: usize) -> Vec<Command> {
    std::iter::once(created()).chain(std::iter::repeat_with(cancelled).take(times)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// The promises of the fleet, as far as payment keeps them.
    #[test]
    fn the_books_are_the_providers(
        steps in steps(),
        cancels in 0..3_usize,
        held in proptest::bool::weighted(0.8),
        declines in 0..8_u32,
        refusals in 0..3_u32,
    ) {
        let stock = if held { reserved() } else { rejected() };
        let mut run = Run::new(cancelled_so_often(cancels), vec![stock], declines << 1, refusals);
        for step in &steps {
            run.step(step);
            prop_assert!(run.provider.captured_keys().len() <= 1, "charged twice");
        }
        run.finish();
        let payment = run.world.payment();
        let captured = i64::from(!run.provider.captured_keys().is_empty()) * TOTAL;
        prop_assert_eq!(payment.captured_minor(), captured);
        prop_assert_eq!(payment.captured_minor() - payment.refunded_minor(), run.provider.holds());
        if cancels > 0 {
            prop_assert_eq!(run.provider.holds(), 0, "cancelled, and we keep the money");
            prop_assert!(!run.unanswered_cancel, "a cancel without an answer");
            prop_assert!(matches!(payment.status(), Status::Voided | Status::Refunded));
        }
    }

    /// One order's events, in any order and repeated, end in one state.
    #[test]
    fn handlers_commute(
        steps in steps(),
        order in Just(cancelled_so_often(1)).prop_shuffle(),
        cancel in any::<bool>(),
        held in any::<bool>(),
        declined in any::<bool>(),
    ) {
        let stock = if held { reserved() } else { rejected() };
        let orders = if cancel { order } else { vec![created()] };
        let mut run = Run::new(orders, vec![stock], u32::from(declined) << 1, 0);
        for step in steps.iter().filter(|step| !matches!(step, Step::PayAgain | Step::Refund(_))) {
            run.step(step);
        }
        run.finish();
        let payment = run.world.payment();
        let status = payment.status();
        if cancel {
            // Whether it was charged before the cancel came is a race; what is left of it is not.
            prop_assert!(matches!(status, Status::Voided | Status::Refunded));
            prop_assert_eq!(run.provider.holds(), 0);
            prop_assert_eq!(payment.captured_minor(), payment.refunded_minor());
        } else {
            let expected = match (held, declined) {
                (false, _) => Status::Voided,
                (true, false) => Status::Captured,
                (true, true) => Status::Declined,
            };
            prop_assert_eq!(status, expected);
        }
    }

    /// A provider that captures what it had declined: one capture pays, every other is paid back.
    #[test]
    fn captures_after_declines_leave_one_payment(
        steps in steps(),
        late in proptest::collection::vec((0..40_usize, 1..4_u32), 1..4),
        cancel in any::<bool>(),
    ) {
        let mut run = Run::new(cancelled_so_often(usize::from(cancel)), vec![reserved()], 0b1110, 0);
        let changes_its_mind = |run: &mut Run, attempt: u32| {
            let key = Attempt::key(order_id(), attempt);
            if run.provider.charges.get(&key) == Some(&false) {
                run.provider.charges.insert(key, true);
                run.apply(&charge_captured(attempt));
            }
        };
        for (n, step) in steps.iter().enumerate() {
            run.step(step);
            for (_, attempt) in late.iter().filter(|(at, _)| *at == n) {
                changes_its_mind(&mut run, *attempt);
            }
        }
        run.finish();
        for (_, attempt) in late {
            changes_its_mind(&mut run, attempt);
        }
        run.finish();
        let payment = run.world.payment();
        let paid = payment.captured_minor() - payment.refunded_minor();
        prop_assert_eq!(run.provider.holds(), paid, "what is on top has gone back");
        let captures = run.provider.captured_keys().len();
        let paid_by_one = usize::from(payment.state == State::Captured);
        prop_assert_eq!(run.world.alerts.len(), captures - paid_by_one, "an alert for each surplus");
        if cancel {
            prop_assert_eq!(paid, 0);
            prop_assert!(!run.unanswered_cancel);
        }
    }

    /// Up to the largest amount that there is, whatever admins want back of it, done or refused: what is paid back and
    /// what is left are exact, and nobody is promised more than was taken.
    #[test]
    fn money_never_overflows_silently(
        total in prop_oneof![1..=2000_i64, 1..=i64::MAX, (i64::MAX - 1000)..=i64::MAX],
        parts in proptest::collection::vec((prop_oneof![0..=1000_i64, 0..=i64::MAX], any::<bool>()), 0..12),
    ) {
        let Command::OrderCreated(new) = created() else { unreachable!("an order's begin") };
        let created = Command::OrderCreated(NewPayment { amount: usd(total), ..new });
        let mut world = World::after([created, reserved(), charge_captured(1)]);
        let mut left = i128::from(total);
        for (minor, done) in parts {
            let reply = world.apply(&refund(minor));
            let fits = minor > 0 && i128::from(minor) <= left;
            prop_assert_eq!(matches!(reply, Reply::Refunding(..)), fits, "{:?} of {} left", reply, left);
            if let Reply::Refunding(begun, _) = reply {
                prop_assert_eq!(begun.amount_minor, minor);
                prop_assert_eq!(i128::from(world.payment().left_minor()), left - i128::from(minor));
                world.apply(&if done { refund_done(begun.number) } else { refund_refused(begun.number) });
                left -= if done { i128::from(minor) } else { 0 };
            }
            prop_assert_eq!(i128::from(world.payment().left_minor()), left);
            prop_assert_eq!(i128::from(world.payment().refunded_minor()), i128::from(total) - left);
        }
        world.apply(&cancelled());
        let numbers = world.payment().refunds.len();
        world.apply(&refund_done(u32::try_from(numbers).unwrap()));
        prop_assert_eq!(world.payment().refunded_minor(), total);
        prop_assert_eq!(world.status(), Status::Refunded);
    }
}
