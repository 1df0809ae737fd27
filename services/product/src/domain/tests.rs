//! The catalogue's rules, as a table and as a property.

use super::*;
use common::events::{ProductUpdated, decode};
use common::money::{Currency, Money};
use engine::{Cause, Ids, NewRecord};
use proptest::prelude::*;
use std::collections::HashSet;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2031-01-01 12:00 UTC);
const ID: Uuid = Uuid::from_u128(1 << 64);

fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::parse("USD").unwrap()).unwrap()
}

fn new_product(id: Uuid, sku: &str) -> NewProduct {
    NewProduct {
        id,
        sku: sku.to_owned(),
        name: "A thing".to_owned(),
        description: String::new(),
        category: "things".to_owned(),
        price: usd(100),
    }
}

fn context() -> Context {
    Context::new("product-service", Ids::Counted(0), Cause::own(NOW))
}

/// Version 3 of a product, with version 5 of its stock.
fn known(status: ProductStatus) -> Set {
    let product = Product::new(&new_product(ID, "SKU-1"), NOW);
    let product = Product { status, version: 3, available: 7, stock_version: 5, ..product };
    Set { products: Rows::loaded([(ID, product)]), skus: HashMap::from([("SKU-1".to_owned(), ID)]) }
}

/// Version and stock after one command, how many events and effects, and the reply.
fn after(mut set: Set, command: &Command) -> ((i64, i64, i64), usize, usize, Reply) {
    let mut cx = context();
    let reply = apply(&mut set, command, &mut cx).unwrap();
    let row = set.products.get(&ID).map_or((0, 0, 0), |p| (p.version, p.stock_version, p.available));
    (row, cx.take_records().len(), cx.take_effects().len(), reply)
}

fn change(versions: Option<Vec<i64>>, changes: Changes) -> Command {
    Command::Change { id: ID, versions, changes }
}

fn priced(amount: i64) -> Changes {
    Changes { price: Some(usd(amount)), ..Changes::default() }
}

#[test]
fn the_table_of_commands() {
    let active = || known(ProductStatus::Active);
    let archived = || known(ProductStatus::Archived);
    let stock = |stock_version| Command::StockChanged { id: ID, stock_version, available: 1 };
    let published = |version| Command::Published { id: ID, version };
    let back = Changes { status: Some(ProductStatus::Active), ..Changes::default() };
    for (name, set, command, wanted, events, effects) in [
        ("created", Set::default(), Command::Create(new_product(ID, "SKU-1")), (1, 0, 0), 1, 1),
        ("seeded", Set::default(), Command::Seed(new_product(ID, "SKU-1")), (1, 0, 0), 1, 1),
        ("seeded again", active(), Command::Seed(new_product(ID, "SKU-1")), (3, 5, 7), 0, 0),
        ("changed", active(), change(Some(vec![3]), priced(1)), (4, 5, 7), 1, 1),
        ("changed whatever it is", active(), change(None, priced(1)), (4, 5, 7), 1, 1),
        ("changed to what it is", active(), change(Some(vec![3]), priced(100)), (3, 5, 7), 0, 0),
        ("stale", active(), change(Some(vec![2, 4]), priced(1)), (3, 5, 7), 0, 0),
        ("brought back", archived(), change(Some(vec![3]), back), (4, 5, 7), 1, 1),
        ("archived", active(), Command::Archive { id: ID }, (4, 5, 7), 1, 1),
        ("archived again", archived(), Command::Archive { id: ID }, (3, 5, 7), 0, 0),
        ("newer stock", active(), stock(6), (3, 6, 1), 0, 1),
        ("older stock", active(), stock(5), (3, 5, 7), 0, 0),
        ("stock of nothing", Set::default(), stock(6), (0, 0, 0), 0, 0),
        ("an older record", active(), published(2), (3, 5, 7), 1, 0),
        ("the newest record", active(), published(3), (3, 5, 7), 0, 0),
        ("a record of nothing", Set::default(), published(1), (0, 0, 0), 0, 0),
    ] {
        let (row, records, fresh, _) = after(set, &command);
        assert_eq!((row, records, fresh), (wanted, events, effects), "{name}");
    }
}

#[test]
fn what_can_not_be_is_refused() {
    let refused = |set: Set, command: Command| match after(set, &command).3 {
        Reply::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    };
    let active = || known(ProductStatus::Active);
    assert_eq!(refused(active(), Command::Create(new_product(Uuid::nil(), "SKU-1"))), Refusal::SkuTaken);
    assert_eq!(refused(active(), change(Some(vec![2]), priced(1))), Refusal::Stale);
    assert_eq!(refused(Set::default(), change(None, priced(1))), Refusal::ProductNotFound);
    assert_eq!(refused(Set::default(), Command::Archive { id: ID }), Refusal::ProductNotFound);
}

#[test]
fn a_sku_is_taken_within_a_batch_too() {
    let (mut set, mut cx) = (Set::default(), context());
    let create = |id: u128| Command::Create(new_product(Uuid::from_u128(id), "SKU-1"));
    assert!(matches!(apply(&mut set, &create(1), &mut cx).unwrap(), Reply::Created(_)));
    assert_eq!(apply(&mut set, &create(2), &mut cx).unwrap(), Reply::Refused(Refusal::SkuTaken));
}

#[test]
fn an_older_record_is_answered_once_a_batch() {
    let (mut set, mut cx) = (known(ProductStatus::Active), context());
    for version in [1, 2, 1] {
        apply(&mut set, &Command::Published { id: ID, version }, &mut cx).unwrap();
    }
    assert_eq!(cx.take_records().len(), 1);
}

#[test]
fn the_demo_catalogue_is_of_24_different_products() {
    let products = demo::products();
    let skus: HashSet<&str> = products.iter().map(|product| product.sku.as_str()).collect();
    assert_eq!((products.len(), skus.len()), (24, 24));
    assert_eq!(products[0].id.to_string(), "01900000-0000-7000-8000-000000000001");
    assert_eq!(products[23].id.to_string(), "01900000-0000-7000-8000-000000000018");
}

/// The versions of which records are sent, where the commands come in one batch.
fn versions_sent(set: &mut Set, commands: &[Command]) -> Vec<i64> {
    let mut cx = context();
    for command in commands {
        apply(set, command, &mut cx).unwrap();
    }
    let received = |record: NewRecord| decode::<ProductUpdated>(Some(record.value.as_bytes())).unwrap();
    cx.take_records().into_iter().filter_map(|record| received(record).event).map(|product| product.version).collect()
}

proptest! {
    /// In whatever order and however often stock is told of: the highest version counts.
    #[test]
    fn stock_ends_at_its_highest_version(versions in proptest::collection::vec(1..30_i64, 0..40)) {
        let mut set = known(ProductStatus::Active);
        for version in &versions {
            let told = Command::StockChanged { id: ID, stock_version: *version, available: version * 10 };
            apply(&mut set, &told, &mut context()).unwrap();
        }
        let highest = versions.iter().copied().max().unwrap_or(0);
        let product = set.products.get(&ID).unwrap();
        let wanted = if highest > 5 { (highest, highest * 10) } else { (5, 7) };
        prop_assert_eq!((product.stock_version, product.available), wanted);
    }

    /// However often an admin changes a product, in whatever order its records get into the topic, and whenever the
    /// service reads them: the last record, which compaction keeps, is the newest, and then nothing more is sent.
    #[test]
    fn the_topic_ends_with_the_newest_record(
        prices in proptest::collection::vec(1..1000_i64, 0..6),
        order in Just((0..7_usize).collect::<Vec<_>>()).prop_shuffle(),
        batch in 1..4_usize,
    ) {
        let mut set = Set::default();
        let mut sent = versions_sent(&mut set, &[Command::Create(new_product(ID, "SKU-1"))]);
        for price in prices {
            sent.extend(versions_sent(&mut set, &[change(None, priced(price))]));
        }
        let newest = set.products.get(&ID).unwrap().version;
        prop_assert_eq!(&sent, &(1..=newest).collect::<Vec<_>>(), "a record for each version");
        let mut topic: Vec<i64> = order.iter().filter_map(|at| sent.get(*at).copied()).collect();
        let mut read = 0;
        while read < topic.len() {
            let end = topic.len().min(read + batch);
            let records: Vec<Command> =
                topic[read..end].iter().map(|version| Command::Published { id: ID, version: *version }).collect();
            read = end;
            topic.extend(versions_sent(&mut set, &records));
            prop_assert!(topic.len() < 30, "it never ends: {:?}", topic);
        }
        prop_assert_eq!(topic.last(), Some(&newest));
    }

    /// What admins change and what inventory tells do not touch each other, in whatever order they come.
    #[test]
    fn changes_and_stock_commute(
        commands in proptest::collection::vec((1..30_i64, any::<bool>()), 0..20).prop_flat_map(|commands| {
            (Just(commands.clone()), Just(commands).prop_shuffle())
        }),
    ) {
        let end = |commands: &[(i64, bool)]| {
            let mut set = known(ProductStatus::Active);
            for (n, is_stock) in commands {
                let told = Command::StockChanged { id: ID, stock_version: *n, available: n * 10 };
                let named = Changes { name: Some(format!("name {n}")), ..Changes::default() };
                let command = if *is_stock { told } else { change(None, named) };
                apply(&mut set, &command, &mut context()).unwrap();
            }
            let product = set.products.get(&ID).unwrap();
            (product.stock_version, product.available, product.status, product.price)
        };
        let (straight, wild) = &commands;
        prop_assert_eq!(end(straight), end(wild));
    }
}
