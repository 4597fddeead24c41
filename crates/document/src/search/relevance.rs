//! How well an object fits what is searched for.
//!
//! This is BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and
//! Beyond", 2009): a word counts more the rarer it is, more when it is there more often, though
//! ever less so, and more in a short text than in a long one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::texts::{TextLength, visit_terms};
use super::words::Term;
use crate::{Filter, Object, Path, Query};

/// How soon more of one word counts no more (`k1`).
const SATURATION: f64 = 1.2;
/// How much the length of the texts counts (`b`): from 0, not at all, to 1.
const LENGTH_WEIGHT: f64 = 0.75;

/// What one condition on texts adds to the order by relevance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The property with the texts, `None` for all of them.
    pub path: Option<Path>,
    /// The words, each once.
    pub terms: Vec<Term>,
    /// Whether nothing is found that does not hold all of these words.
    pub is_required: bool,
}

/// What one object has of a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// How many words its texts have.
    pub length: TextLength,
    /// How often each of the terms is there.
    pub counts: Vec<u32>,
}

impl Clause {
    /// What an object has of it.
    pub fn profile(&self, object: &Object) -> Profile {
        let mut found: Vec<BTreeMap<String, u16>> = vec![BTreeMap::new(); self.terms.len()];
        let length = visit_terms(object, self.path.as_ref(), &mut |word| {
            for (term, found) in self.terms.iter().zip(&mut found) {
                if !term.is(word) {
                    continue;
                }
                match found.get_mut(word) {
                    Some(count) => *count = count.saturating_add(1),
                    None => drop(found.insert(word.to_owned(), 1)),
                }
            }
        });
        // The sum is of what an index keeps of each word.
        let sum = |counts: &BTreeMap<String, u16>| {
            let counts = counts.values().copied().map(u32::from);
            counts.fold(0, u32::saturating_add)
        };
        Profile {
            length,
            counts: found.iter().map(sum).collect(),
        }
    }
}

impl Profile {
    /// Of texts that are not known: none of the words is there.
    pub fn nothing(clause: &Clause) -> Self {
        Self {
            length: TextLength::default(),
            counts: vec![0; clause.terms.len()],
        }
    }

    /// Whether all the words are there.
    pub fn has_all(&self) -> bool {
        self.counts.iter().all(|count| *count > 0)
    }
}

/// What the objects of a query have of a clause, found or not: those of its type, or of all types
/// when it names none, that are not deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextStats {
    /// How many have words there.
    pub objects: u64,
    /// How many words they have together.
    pub words: u64,
    /// How many have each of the terms.
    pub found: Vec<u64>,
}

impl TextStats {
    /// Of no objects.
    pub fn new(clause: &Clause) -> Self {
        Self {
            objects: 0,
            words: 0,
            found: vec![0; clause.terms.len()],
        }
    }

    /// Counts texts of so many words.
    pub fn add_length(&mut self, length: TextLength) {
        if length.words() > 0 {
            self.objects += 1;
            self.words += u64::from(length.words());
        }
    }

    /// Takes back what [`TextStats::add_length`] counted.
    pub fn remove_length(&mut self, length: TextLength) {
        if length.words() > 0 {
            self.objects = self.objects.saturating_sub(1);
            self.words = self.words.saturating_sub(length.words().into());
        }
    }

    /// Counts an object.
    pub fn add(&mut self, profile: &Profile) {
        self.add_length(profile.length);
        for (found, count) in self.found.iter_mut().zip(&profile.counts) {
            *found += u64::from(*count > 0);
        }
    }
}

/// How well an object fits: a number that is not negative, and greater for what fits better. It
/// compares with others of the same query only.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Score(pub(crate) f64);

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Score {}

/// What decides how well objects fit, with the weights that words had when it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Relevance {
    clauses: Vec<Weighed>,
}

#[derive(Clone, Debug, PartialEq)]
struct Weighed {
    clause: Clause,
    /// Words of the texts of one object on average.
    length: f64,
    /// How much each of the terms counts.
    weights: Vec<f64>,
}

impl Relevance {
    /// With the weights that follow from what there is.
    pub fn new(clauses: impl IntoIterator<Item = (Clause, TextStats)>) -> Self {
        let weighed = clauses.into_iter().map(|(clause, stats)| {
            let objects = float(stats.objects);
            let weights = stats.found.iter().map(|found| {
                let found = float((*found).min(stats.objects));
                (1.0 + (objects - found + 0.5) / (found + 0.5)).ln()
            });
            Weighed {
                weights: weights.collect(),
                length: float(stats.words) / objects.max(1.0),
                clause,
            }
        });
        Self {
            clauses: weighed.collect(),
        }
    }

    /// How well something fits that has this of each clause, in their order.
    pub fn score(&self, profiles: &[Profile]) -> f64 {
        let mut score = 0.0;
        for (weighed, profile) in self.clauses.iter().zip(profiles) {
            let length = f64::from(profile.length.words()) / weighed.length.max(1.0);
            let norm = SATURATION * (1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * length);
            for (weight, count) in weighed.weights.iter().zip(&profile.counts) {
                let count = f64::from(*count);
                score += weight * (count * (SATURATION + 1.0) / (count + norm));
            }
        }
        score
    }

    /// Notes in an object how well it fits; see [`Object::score`].
    pub fn tell(&self, object: &mut Object) {
        let profiles = self.clauses.iter();
        let profiles: Vec<_> = profiles
            .map(|weighed| weighed.clause.profile(object))
            .collect();
        object.score = Some(Score(self.score(&profiles)));
    }
}

fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

impl Filter {
    /// What its conditions on texts add to the order by relevance: those that are not denied.
    pub fn clauses(&self) -> Vec<Clause> {
        let mut found = Vec::new();
        self.collect_clauses(true, &mut found);
        found
    }

    fn collect_clauses(&self, is_required: bool, found: &mut Vec<Clause>) {
        match self {
            Self::And(all) => {
                for filter in all {
                    filter.collect_clauses(is_required, found);
                }
            }
            Self::Or(any) => {
                for filter in any {
                    filter.collect_clauses(is_required && any.len() == 1, found);
                }
            }
            Self::Text { path, words } => found.push(Clause {
                path: path.clone(),
                terms: words.terms(),
                is_required,
            }),
            _ => {}
        }
    }

    /// The type, without version, that all objects are of for which it can hold, as far as its
    /// outermost conditions tell.
    pub fn type_base(&self) -> Option<&str> {
        match self {
            Self::And(all) => all.iter().find_map(Self::type_base),
            Self::TypeAnyVersion(name) => Some(name),
            Self::TypeExact(name) => Some(name.base()),
            _ => None,
        }
    }
}

impl Query {
    /// The name that [`Path::about`] has for how well objects fit.
    pub(crate) const RELEVANCE: &str = "relevance";

    /// Whether its order looks at how well objects fit.
    pub fn is_ranked(&self) -> bool {
        let mut order = self.order.iter();
        order.any(|key| key.path.as_about() == Some(Self::RELEVANCE))
    }

    /// The clauses that its order needs to know about: none unless [`Query::is_ranked`].
    pub fn clauses(&self) -> Vec<Clause> {
        if self.is_ranked() {
            self.filter.clauses()
        } else {
            Vec::new()
        }
    }

    /// Whether words that weigh otherwise decide not only where an object stands, but whether it
    /// is found at all.
    pub fn is_cut_by_relevance(&self) -> bool {
        self.is_ranked() && self.after.is_some()
    }

    /// Whether an object is one of those among which a word of its order is rare or not.
    pub fn weighs(&self, object: &Object) -> bool {
        let base = self.filter.type_base();
        !object.is_deleted() && base.is_none_or(|base| object.type_name().base() == base)
    }

    /// What decides how well objects fit, if `objects` are all that there are: each once, found
    /// or not. `None` when the order does not ask.
    pub fn relevance<'a>(
        &self,
        objects: impl IntoIterator<Item = &'a Object>,
    ) -> Option<Relevance> {
        let mut weighing = Weighing::new(self)?;
        for object in objects {
            weighing.add(object);
        }
        Some(weighing.into_relevance())
    }
}

/// Finds out from all objects that there are what decides how well each fits a query.
#[derive(Debug)]
pub struct Weighing<'a> {
    query: &'a Query,
    weighed: Vec<(Clause, TextStats)>,
}

impl<'a> Weighing<'a> {
    /// For a query; `None` when its order does not ask.
    pub fn new(query: &'a Query) -> Option<Self> {
        let clauses = query.clauses().into_iter().map(|clause| {
            let stats = TextStats::new(&clause);
            (clause, stats)
        });
        query.is_ranked().then(|| Self {
            query,
            weighed: clauses.collect(),
        })
    }

    /// Takes in an object, found or not; each once.
    pub fn add(&mut self, object: &Object) {
        if self.query.weighs(object) {
            for (clause, stats) in &mut self.weighed {
                stats.add(&clause.profile(object));
            }
        }
    }

    /// What follows from all that were taken in.
    pub fn into_relevance(self) -> Relevance {
        Relevance::new(self.weighed)
    }
}
