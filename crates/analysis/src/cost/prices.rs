//! The price file: one region's on-demand prices with their sources and date.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The file's text, as committed.
const TEXT: &str = include_str!("../../data/prices.json");

/// Prices by name.
#[derive(Clone, Debug, Deserialize)]
pub struct Prices {
    pub region: String,
    /// The day they were read, `2026-10-05`.
    pub read: String,
    pub note: String,
    /// What the letters of [`Price::source`] stand for.
    pub sources: BTreeMap<String, String>,
    pub hours_per_month: f64,
    prices: BTreeMap<String, Price>,
}

/// One price.
#[derive(Clone, Debug, Deserialize)]
pub struct Price {
    pub usd: f64,
    pub source: String,
}

impl Prices {
    /// The committed prices.
    pub fn committed() -> Self {
        serde_json::from_str(TEXT).expect("a test reads the committed file")
    }

    pub fn get(&self, name: &str) -> Option<&Price> {
        self.prices.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Price)> {
        self.prices
            .iter()
            .map(|(name, price)| (name.as_str(), price))
    }
}
