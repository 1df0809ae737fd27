//! The demo catalogue: 24 products in four categories, with ids that never change.

use super::NewProduct;
use common::money::{Currency, Money};
use uuid::Uuid;

/// Name and price in cents, six of each category.
const CATALOGUE: [(&str, [(&str, i64); 6]); 4] = [
    (
        "kitchen",
        [
            ("Stoneware mug", 1290),
            ("Cast iron pan", 4990),
            ("Bread knife", 2450),
            ("Olive wood board", 3200),
            ("Glass carafe", 1890),
            ("Tea towel, set of three", 1590),
        ],
    ),
    (
        "office",
        [
            ("Desk lamp", 5900),
            ("Notebook, ruled", 990),
            ("Fountain pen", 3490),
            ("Paper tray", 2190),
            ("Desk mat", 2790),
            ("Wall calendar", 1490),
        ],
    ),
    (
        "garden",
        [
            ("Watering can", 2690),
            ("Pruning shears", 3190),
            ("Clay pot, large", 1990),
            ("Garden gloves", 1190),
            ("Seed box", 1690),
            ("Folding stool", 3890),
        ],
    ),
    (
        "travel",
        [
            ("Canvas bag", 4490),
            ("Rain cover", 1790),
            ("Steel bottle", 2390),
            ("Packing cubes", 2890),
            ("Neck pillow", 2090),
            ("Travel adapter", 2590),
        ],
    ),
];

/// The id of product `number`, from 1 on.
#[must_use]
pub fn id(number: u8) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(number))
}

/// All of them.
///
/// # Panics
/// Never: USD is a currency, and the prices are above zero.
#[must_use]
pub fn products() -> Vec<NewProduct> {
    let usd = Currency::parse("USD").expect("three capitals");
    let all = CATALOGUE.iter().flat_map(|(category, products)| products.iter().map(move |product| (category, product)));
    (1_u8..)
        .zip(all)
        .map(|(number, (category, (name, cents)))| NewProduct {
            id: id(number),
            sku: format!("DEMO-{number:02}"),
            name: (*name).to_owned(),
            description: format!("{name}, from the {category} shelf of the demo catalogue."),
            category: (*category).to_owned(),
            price: Money::new(*cents, usd).expect("above zero"),
        })
        .collect()
}
