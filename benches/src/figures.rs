//! What was measured, for people and for scripts.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Things a second.
    PerSecond,
    /// Millions of bytes a second.
    MegabytesPerSecond,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Mebibytes.
    Mebibytes,
    /// One of the other.
    Ratio,
    /// A plain number.
    Count,
}

impl Unit {
    const fn text(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::MegabytesPerSecond => "MB/s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Mebibytes => "MiB",
            Self::Ratio => "x",
            Self::Count => "",
        }
    }
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: Unit,
}

impl Figure {
    /// A figure.
    pub fn new(name: impl Into<String>, value: f64, unit: Unit) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
        }
    }

    /// How many a second `count` in `took` is.
    pub fn rate(name: impl Into<String>, count: usize, took: Duration) -> Self {
        Self::new(name, per_second(float(count as u64), took), Unit::PerSecond)
    }

    /// How many megabytes a second `bytes` in `took` is.
    pub fn bandwidth(name: impl Into<String>, bytes: u64, took: Duration) -> Self {
        Self::new(
            name,
            per_second(float(bytes) / 1e6, took),
            Unit::MegabytesPerSecond,
        )
    }

    /// A time in milliseconds.
    pub fn millis(name: impl Into<String>, took: Duration) -> Self {
        Self::new(name, took.as_secs_f64() * 1e3, Unit::Milliseconds)
    }

    /// A time in microseconds.
    pub fn micros(name: impl Into<String>, took: Duration) -> Self {
        Self::new(name, took.as_secs_f64() * 1e6, Unit::Microseconds)
    }
}

/// A count as a figure.
#[expect(
    clippy::cast_precision_loss,
    reason = "figures are read by people: 52 bits are more than they can be told apart by"
)]
pub(crate) const fn float(count: u64) -> f64 {
    count as f64
}

/// A rate that is finite even when the clock saw no time pass.
fn per_second(count: f64, took: Duration) -> f64 {
    count / took.as_secs_f64().max(1e-9)
}

/// The figures of one benchmark.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The benchmark.
    pub name: &'static str,
    /// What it measured.
    pub figures: Vec<Figure>,
}

/// A table of all reports.
pub(crate) fn table(reports: &[Report]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["benchmark", "figure", "value", "unit"]);
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for report in reports {
        for figure in &report.figures {
            table.add_row([
                report.name,
                &figure.name,
                &number(figure.value),
                figure.unit.text(),
            ]);
        }
    }
    table.trim_fmt()
}

/// Three significant digits or all before the point, with separators for thousands.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 100.0 || v == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        let left = whole.len() - index;
        if index > 0 && left % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if fraction.is_empty() {
        grouped
    } else {
        format!("{grouped}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_rounded_by_size() {
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(-123.4), "-123");
        assert_eq!(number(12.345), "12.3");
        assert_eq!(number(1.234), "1.23");
        assert_eq!(number(0.012_34), "0.0123");
        assert_eq!(number(0.0), "0");
    }

    #[test]
    fn rates_are_finite_when_no_time_passed() {
        let figure = Figure::rate("x", 3, Duration::ZERO);
        assert!(figure.value.is_finite() && figure.value > 0.0);
        assert!((Figure::rate("x", 3, Duration::from_secs(2)).value - 1.5).abs() < 1e-9);
        let bandwidth = Figure::bandwidth("x", 4_000_000, Duration::from_secs(2));
        assert!((bandwidth.value - 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_table_names_benchmark_figure_and_unit() {
        let report = Report {
            name: "open",
            figures: vec![Figure::new("resident", 12.5, Unit::Mebibytes)],
        };
        let text = table(std::slice::from_ref(&report));
        for part in ["benchmark", "open", "resident", "12.5", "MiB"] {
            assert!(text.contains(part), "{text}");
        }
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["figures"][0]["unit"], "mebibytes");
    }
}
