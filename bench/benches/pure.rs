//! The parts of an order's way that touch neither network nor disk: what a batch is applied with, how events are written
//! and read, and what a token costs.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use common::events::{Contact, OrderEvent, Received, decode, encode};
use common::money::{Currency, Money};
use common::quantity::Quantity;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use engine::{Cause, Context, Ids, Rows};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use order::domain::{CatalogueItem, Command, Placement, Seen, Set, WantedLine, apply};
use serde_json::json;
use service_kit::auth::{KeySet, Settings, Verifier, publish};
use std::hint::black_box;
use std::time::Duration;
use uuid::Uuid;

/// As many commands as a busy writer takes at once.
const BATCH: u64 = 256;
const PRODUCTS: u128 = 100;
const TIME_TO_PAY: time::Duration = time::Duration::minutes(15);
const CREATED: &[u8] = include_bytes!("../../crates/common/examples/order.created.v1.json");

/// The order service's rules over a batch: placing, and the two events that confirm an order.
fn apply_a_batch(c: &mut Criterion) {
    let catalogue = || Rows::loaded((0..PRODUCTS).map(|n| (Uuid::from_u128(n), item(n))));
    let placements: Vec<Command> = (0..BATCH).map(placement).collect();
    let placed = applied(Set { catalogue: catalogue(), ..Set::default() }, &placements);
    let events = |event: &Seen| -> Vec<Command> {
        let command = |n| Command::Event { order_id: order_id(n), event: event.clone() };
        (0..BATCH).map(command).collect()
    };
    let reserved = events(&Seen::StockReserved);
    let captured = events(&Seen::Captured { attempt: 1, amount: Some(price()) });
    let mut group = c.benchmark_group("apply");
    group.throughput(Throughput::Elements(BATCH));
    let empty = || Set { catalogue: catalogue(), ..Set::default() };
    group.bench_function("place", |b| b.iter_batched(empty, |set| applied(set, &placements), BatchSize::SmallInput));
    let pending = || loaded(&placed);
    group.bench_function("reserved", |b| b.iter_batched(pending, |set| applied(set, &reserved), BatchSize::SmallInput));
    let with_stock = applied(loaded(&placed), &reserved);
    let held = || loaded(&with_stock);
    group.bench_function("captured", |b| b.iter_batched(held, |set| applied(set, &captured), BatchSize::SmallInput));
    group.finish();
}

/// The set after all of `commands`, with the events that they emit written.
fn applied(mut set: Set, commands: &[Command]) -> Set {
    let mut cx = Context::new("order-service", Ids::V7, Cause::own(common::clock::now()));
    for command in commands {
        black_box(apply(TIME_TO_PAY, &mut set, command, &mut cx).expect("no poison"));
    }
    black_box(cx.take_records());
    set
}

/// The orders of a set as the next batch loads them.
fn loaded(set: &Set) -> Set {
    let orders = set.orders.inserted().chain(set.orders.updated());
    Set { orders: Rows::loaded(orders.map(|order| (order.id, order.clone()))), ..Set::default() }
}

fn order_id(n: u64) -> Uuid {
    Uuid::from_u128(u128::from(n) + 1_000_000)
}

fn placement(n: u64) -> Command {
    let line = WantedLine {
        product_id: Uuid::from_u128(u128::from(n) % PRODUCTS),
        quantity: Quantity::new(1).expect("a quantity"),
    };
    Command::Place(Box::new(Placement {
        order_id: order_id(n),
        customer_id: "somebody".to_owned(),
        lines: vec![line],
        payment_method: "pm_card_visa".to_owned(),
        contact: Contact { email: Some("somebody@example.com".to_owned()), phone: None },
        shipping_address: None,
    }))
}

fn item(n: u128) -> CatalogueItem {
    CatalogueItem {
        product_id: Uuid::from_u128(n),
        version: 1,
        sku: format!("SKU-{n}"),
        name: format!("Piece {n}"),
        price: price(),
        orderable: true,
    }
}

fn price() -> Money {
    Money::new(1999, Currency::parse("USD").expect("a currency")).expect("an amount")
}

fn events(c: &mut Criterion) {
    let received: Received<OrderEvent> = decode(Some(CREATED)).expect("the golden example");
    let event = received.event.expect("of a known type");
    c.bench_function("encode order.created", |b| b.iter(|| encode(black_box(&received.envelope), black_box(&event))));
    c.bench_function("decode order.created", |b| b.iter(|| decode::<OrderEvent>(black_box(Some(CREATED)))));
}

fn tokens(c: &mut Criterion) {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).expect("a key");
    let key = EncodingKey::from_ec_der(pkcs8.as_ref());
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).expect("a public key");
    jwk.common.key_id = Some("one".to_owned());
    let claims = json!({
        "iss": "https://issuer.example", "aud": "rtoms", "sub": "somebody", "typ": "Bearer",
        "exp": common::clock::unix_seconds() + 3600, "realm_access": { "roles": ["CUSTOMER"] },
    });
    let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::ES256) };
    let token = jsonwebtoken::encode(&header, &claims, &key).expect("a token");
    // Whoever drops the sender ends the keys.
    let (_sender, keys) = publish(Some(KeySet::of(&JwkSet { keys: vec![jwk] })));
    let verifier = || {
        let settings = Settings {
            issuer: "https://issuer.example".to_owned(),
            audience: "rtoms".to_owned(),
            roles_claim: "realm_access.roles".to_owned(),
        };
        Verifier::new(settings, keys.clone())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let check = |verifier: &Verifier| runtime.block_on(verifier.verify(&token)).expect("a right token");
    c.bench_function("a token seen for the first time", |b| {
        b.iter_batched_ref(verifier, |verifier| check(verifier), BatchSize::SmallInput);
    });
    let known = verifier();
    check(&known);
    c.bench_function("a token that is known", |b| b.iter(|| check(&known)));
}

criterion_group! {
    name = pure;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = apply_a_batch, events, tokens
}
criterion_main!(pure);
