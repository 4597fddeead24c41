//! What was measured, for people and for scripts.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::figures::{Figures, Kept};
use crate::forks::{HONEST, Outcome};
use crate::library::Library;

/// Everything.
#[derive(Debug, Serialize)]
pub struct Report {
    machine: Machine,
    runs: u8,
    libraries: Vec<Named>,
    /// What was measured.
    pub works: Vec<Compared>,
    /// What a fork did.
    pub forks: Vec<Forks>,
}

#[derive(Debug, Serialize)]
struct Machine {
    os: &'static str,
    architecture: &'static str,
    cores: usize,
    processor: Option<String>,
}

#[derive(Debug, Serialize)]
struct Named {
    name: &'static str,
    version: Option<&'static str>,
}

/// One piece of work.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// What it was.
    pub work: String,
    figures: Vec<Row>,
    failures: BTreeMap<&'static str, String>,
    #[serde(skip)]
    taken: BTreeMap<Library, Vec<Figures>>,
}

/// One figure of all libraries.
#[derive(Debug, Serialize)]
struct Row {
    figure: String,
    better: &'static str,
    values: BTreeMap<&'static str, Value>,
    /// Of each of ours to each of the others: ours / theirs.
    ratios: BTreeMap<&'static str, BTreeMap<&'static str, f64>>,
}

#[derive(Debug, Serialize)]
struct Value {
    median: f64,
    runs: Vec<f64>,
}

/// What a fork did to one library.
#[derive(Debug, Serialize)]
pub struct Forks {
    library: &'static str,
    outcome: Option<Outcome>,
    failure: Option<String>,
}

impl Forks {
    /// The outcome, or why there is none.
    pub fn new(library: Library, outcome: Result<Outcome>) -> Self {
        let (outcome, failure) = match outcome {
            Ok(outcome) => (Some(outcome), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        Self {
            library: library.name(),
            outcome,
            failure,
        }
    }
}

impl Compared {
    /// Nothing measured yet.
    pub fn new(work: String) -> Self {
        let (figures, failures, taken) = Default::default();
        Self {
            work,
            figures,
            failures,
            taken,
        }
    }

    /// Takes one run of one library.
    pub fn note(&mut self, library: Library, measured: Result<Figures>) {
        match measured {
            Ok(figures) => self.taken.entry(library).or_default().push(figures),
            Err(error) => drop(self.failures.insert(library.name(), format!("{error:#}"))),
        }
    }

    /// Medians and ratios.
    #[must_use]
    pub fn finish(mut self) -> Self {
        // In the order in which a library measured them.
        let mut names: Vec<&Kept> = Vec::new();
        for kept in self.taken.values().flatten().flat_map(|figures| &figures.0) {
            if !names.iter().any(|known| known.name == kept.name) {
                names.push(kept);
            }
        }
        let rows = names.into_iter().map(|kept| Row::new(kept, &self.taken));
        self.figures = rows.collect();
        self
    }
}

impl Row {
    fn new(kept: &Kept, taken: &BTreeMap<Library, Vec<Figures>>) -> Self {
        let mut values = BTreeMap::new();
        for (library, figures) in taken {
            let mut runs: Vec<f64> = figures
                .iter()
                .filter_map(|figures| figures.get(&kept.name))
                .collect();
            let unsorted = runs.clone();
            runs.sort_by(f64::total_cmp);
            if let Some(&median) = runs.get(runs.len() / 2) {
                values.insert(
                    library.name(),
                    Value {
                        median,
                        runs: unsorted,
                    },
                );
            }
        }
        let edits = |library: &Library| taken.get(library)?.first()?.get("edits");
        let mut ratios = BTreeMap::new();
        for ours in taken.keys().filter(|library| library.ours()) {
            let Some(own) = values.get(ours.name()) else {
                continue;
            };
            // What did only a part of the work compares in rates alone.
            let comparable =
                |other: &&Library| kept.name.contains("/s") || edits(ours) == edits(other);
            let others = taken
                .keys()
                .filter(|library| !library.ours())
                .filter(comparable);
            let to = others.filter_map(|other| {
                let theirs = values.get(other.name())?.median;
                (theirs > 0.0).then(|| (other.name(), own.median / theirs))
            });
            ratios.insert(ours.name(), to.collect());
        }
        Self {
            figure: kept.name.clone(),
            better: if kept.name.contains("/s") {
                "more"
            } else {
                "less"
            },
            values,
            ratios,
        }
    }
}

impl Report {
    /// An empty one.
    pub fn new(runs: u8, libraries: &[Library]) -> Self {
        let named = |library: &Library| Named {
            name: library.name(),
            version: library.version(),
        };
        Self {
            machine: Machine::this(),
            runs,
            libraries: libraries.iter().map(named).collect(),
            works: Vec::new(),
            forks: Vec::new(),
        }
    }

    /// Prints it.
    pub fn print(&self, json: bool) -> Result<()> {
        if json {
            let text = serde_json::to_string_pretty(self).context("it cannot be written")?;
            println!("{text}");
            return Ok(());
        }
        let versions = self.libraries.iter().map(|library| match library.version {
            Some(version) => format!("{} {version}", library.name),
            None => library.name.to_owned(),
        });
        println!("{}", versions.collect::<Vec<_>>().join(", "));
        println!(
            "{}; medians of {} runs in turn",
            self.machine.text(),
            self.runs
        );
        println!("Ratios are ours / theirs. Of rates more is better, of all else less.");
        for compared in &self.works {
            println!("\n{}\n{}", compared.work, self.table(compared));
            for (library, failure) in &compared.failures {
                println!("{library}: {failure}");
            }
        }
        if !self.forks.is_empty() {
            println!("\none device, two changes with one sequence number");
            println!("{}", self.fork_table());
        }
        Ok(())
    }

    fn table(&self, compared: &Compared) -> String {
        let shown = |name: &&str| {
            compared.failures.contains_key(name)
                || compared
                    .figures
                    .iter()
                    .any(|row| row.values.contains_key(name))
        };
        let names: Vec<&str> = self
            .libraries
            .iter()
            .map(|library| library.name)
            .filter(shown)
            .collect();
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([""].iter().chain(&names));
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for row in &compared.figures {
            let cell = |name: &&str| {
                let value = row.values.get(name).map(|value| number(value.median));
                value.unwrap_or_else(|| "–".to_owned())
            };
            let mut cells = vec![row.figure.clone()];
            cells.extend(names.iter().map(cell));
            table.add_row(cells);
            for (ours, ratios) in &row.ratios {
                let cell = |name: &&str| {
                    let ratio = ratios
                        .get(name)
                        .map(|ratio| format!("{} x", number(*ratio)));
                    ratio.unwrap_or_default()
                };
                let mut cells = vec![format!("  {ours} / it")];
                cells.extend(names.iter().map(cell));
                table.add_row(cells);
            }
        }
        table.trim_fmt()
    }

    fn fork_table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let all = 3 * HONEST;
        table.set_header([
            "library".to_owned(),
            "replicas equal".to_owned(),
            format!("honest edits there, of {all}"),
            "the forked change shows".to_owned(),
            "reported".to_owned(),
            "errors".to_owned(),
        ]);
        for forks in &self.forks {
            let Some(outcome) = &forks.outcome else {
                let failure = forks.failure.clone().unwrap_or_default();
                table.add_row([forks.library.to_owned(), failure]);
                continue;
            };
            table.add_row([
                forks.library.to_owned(),
                if outcome.equal { "yes" } else { "no" }.to_owned(),
                outcome.honest_edits.to_string(),
                outcome.forked.join(", "),
                outcome.reported.clone(),
                outcome.errors.join("; "),
            ]);
        }
        table.trim_fmt()
    }
}

impl Machine {
    fn this() -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        Self {
            os: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
            cores,
            processor: model.map(|model| model.trim_start_matches([' ', '\t', ':']).to_owned()),
        }
    }

    fn text(&self) -> String {
        let processor = self.processor.as_deref().unwrap_or(self.architecture);
        format!("{}, {} cores, {processor}", self.os, self.cores)
    }
}

/// Three significant digits or all before the point, with separators for thousands.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 100.0 || v == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        v if v >= 0.1 => 3,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 && !grouped.ends_with('-') {
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
        assert_eq!(number(12.345), "12.3");
        assert_eq!(number(0.1234), "0.123");
        assert_eq!(number(0.012_34), "0.0123");
    }

    #[test]
    fn of_several_runs_the_median_counts() {
        let mut compared = Compared::new("work".to_owned());
        for value in [3.0, 1.0, 2.0] {
            let mut figures = Figures::new();
            figures.put("load ms", value);
            compared.note(Library::Yrs, Ok(figures));
        }
        let compared = compared.finish();
        assert_eq!(compared.figures[0].values["yrs"].median, 2.0);
        assert_eq!(compared.figures[0].better, "less");
    }
}
