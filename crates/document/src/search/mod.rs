//! Full text: what is searched for, what is found, and how well it fits.
//!
//! A text is cut into words as Unicode says (UAX #29). Two words are the same when they differ
//! only in case, in accents or in forms that Unicode holds compatible (NFKD); scripts that are
//! written without spaces are cut into characters, which a search compares in a row. Nothing is
//! known of any language: there are no stems and no words that are left out.

mod highlight;
mod relevance;
mod texts;
mod token;
mod words;

pub use highlight::Highlight;
pub(crate) use relevance::Score;
pub use relevance::{Clause, Profile, Relevance, TextStats, Weighing};
pub use texts::{TextLength, TextTerms};
pub use token::TERM_BYTES_MAX;
pub use words::{Term, Words, WordsError};
