//! What was measured of one library in one run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// What was measured, with its unit.
    pub name: String,
    /// How much.
    pub value: f64,
}

/// Figures, in the order in which they were taken.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Figures(pub Vec<Kept>);

impl Figures {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The figure of that name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0
            .iter()
            .find(|kept| kept.name == name)
            .map(|kept| kept.value)
    }

    /// How many a second.
    pub fn rate(&mut self, name: &str, count: usize, took: Duration) {
        self.put(name, float(count) / took.as_secs_f64().max(1e-9));
    }

    /// How many a second, if that is more than before.
    pub fn best_rate(&mut self, name: &str, count: usize, took: Duration) {
        let rate = float(count) / took.as_secs_f64().max(1e-9);
        match self.0.iter_mut().find(|kept| kept.name == name) {
            Some(kept) => kept.value = kept.value.max(rate),
            None => self.put(name, rate),
        }
    }

    /// A time.
    pub fn millis(&mut self, name: &str, took: Duration) {
        self.put(name, took.as_secs_f64() * 1e3);
    }

    /// A number of things.
    pub fn count(&mut self, name: &str, count: usize) {
        self.put(name, float(count));
    }

    /// Any value.
    pub fn put(&mut self, name: &str, value: f64) {
        self.0.push(Kept {
            name: name.to_owned(),
            value,
        });
    }
}

/// Figures are read by people: 52 bits are more than they can be told apart by.
pub fn float(count: usize) -> f64 {
    count as f64
}
