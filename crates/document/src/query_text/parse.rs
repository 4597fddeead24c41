//! Reading the text form of queries.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use super::scan::{Scanner, Word};
use super::{NESTING_MAX, QueryTextError};
use crate::field::ABOUT;
use crate::{
    Comparison, Deleted, Direction, Filter, ForeignKey, ObjectRef, OrderBy, Path, Query, TypeName,
    Value, Words,
};

type Result<T> = std::result::Result<T, QueryTextError>;

const EXPECTED: &str = "expected a condition such as done:false, due<2026-12-01 or type:task";

const KEY: &str = "expected a key of another system, such as github.com#7";

pub(super) fn query(text: &str) -> Result<Query> {
    let mut parser = Parser {
        scanner: Scanner::new(text),
        query: Query::new(Filter::all()),
        depth: 0,
        has_options: true,
    };
    parser.query.filter = parser.whole()?;
    Ok(parser.query)
}

pub(super) fn filter(text: &str) -> Result<Filter> {
    let mut parser = Parser {
        scanner: Scanner::new(text),
        query: Query::new(Filter::all()),
        depth: 0,
        has_options: false,
    };
    parser.whole()
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    /// The options that were read.
    query: Query,
    depth: usize,
    has_options: bool,
}

/// How a property is compared.
enum Sign {
    Compare(Comparison),
    Contains,
    Prefix,
    Text,
}

/// Longer signs first, so that `>=` is not read as `>`.
const SIGNS: [(&str, Sign); 10] = [
    ("!=", Sign::Compare(Comparison::Ne)),
    (">=", Sign::Compare(Comparison::Ge)),
    ("<=", Sign::Compare(Comparison::Le)),
    ("^=", Sign::Prefix),
    (":", Sign::Compare(Comparison::Eq)),
    ("=", Sign::Compare(Comparison::Eq)),
    (">", Sign::Compare(Comparison::Gt)),
    ("<", Sign::Compare(Comparison::Lt)),
    ("~~", Sign::Text),
    ("~", Sign::Contains),
];

/// What stands between two signs of a row.
enum Item {
    Condition(Filter),
    Option,
}

impl Parser<'_> {
    fn whole(&mut self) -> Result<Filter> {
        let filter = self.any()?;
        if self.scanner.is_at_end() {
            Ok(filter)
        } else {
            Err(self
                .scanner
                .error("this parenthesis closes none; leave it out"))
        }
    }

    /// Rows with `OR` between them.
    fn any(&mut self) -> Result<Filter> {
        let first = self.all()?;
        if !self.keyword("OR") {
            return Ok(first.unwrap_or_else(Filter::all));
        }
        let mut any = vec![first];
        any.push(self.all()?);
        while self.keyword("OR") {
            any.push(self.all()?);
        }
        let any: Option<Vec<_>> = any.into_iter().collect();
        any.map(Filter::Or).ok_or_else(|| {
            self.scanner
                .error(format!("OR stands between two; {EXPECTED}"))
        })
    }

    /// A row of conditions; `None` when there are none.
    fn all(&mut self) -> Result<Option<Filter>> {
        let mut all = Vec::new();
        loop {
            self.scanner.skip_spaces();
            if self.scanner.is_at_end() || self.scanner.is_at(')') || self.is_keyword("OR") {
                break;
            }
            if self.keyword("AND") {
                continue;
            }
            if let Item::Condition(filter) = self.item()? {
                all.push(filter);
            }
        }
        Ok(match all.pop() {
            None => None,
            Some(only) if all.is_empty() => Some(only),
            Some(last) => {
                all.push(last);
                Some(Filter::And(all))
            }
        })
    }

    /// Whether a word of the language comes next, and no property with its name.
    fn is_keyword(&self, keyword: &str) -> bool {
        let rest = self.scanner.rest().strip_prefix(keyword);
        rest.is_some_and(|rest| {
            rest.is_empty()
                || rest.starts_with(|next: char| next.is_whitespace() || "()".contains(next))
        })
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        self.scanner.skip_spaces();
        self.is_keyword(keyword) && self.scanner.take(keyword)
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= NESTING_MAX {
            return Err(self
                .scanner
                .error("parentheses are nested deeper than 60 levels; use fewer"));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn item(&mut self) -> Result<Item> {
        let start = self.scanner.position();
        if self.keyword("NOT") {
            return self.nested(|parser| {
                parser.scanner.skip_spaces();
                match parser.item()? {
                    Item::Condition(filter) => Ok(Item::Condition(filter.not())),
                    Item::Option => Err(parser
                        .scanner
                        .error_at(start, "NOT stands before a condition")),
                }
            });
        }
        if self.scanner.take("(") {
            return self.nested(|parser| {
                let filter = parser.any()?;
                if parser.scanner.take(")") {
                    Ok(Item::Condition(filter))
                } else {
                    Err(parser
                        .scanner
                        .error_at(start, "this parenthesis is not closed"))
                }
            });
        }
        for (keyword, filter) in [("*", Filter::all()), ("NONE", Filter::Or(Vec::new()))] {
            if self.keyword(keyword) {
                return Ok(Item::Condition(filter));
            }
        }
        let (key, is_quoted) = self.scanner.text(Word::Key)?;
        if !is_quoted && self.scanner.take(":") {
            if let Some(filter) = self.condition(&key)? {
                return Ok(Item::Condition(filter));
            }
            if self.option(start, &key)? {
                return Ok(Item::Option);
            }
            self.scanner.go_back(self.scanner.position() - 1);
        }
        let sign = SIGNS.iter().find(|(sign, _)| self.scanner.take(sign));
        match sign {
            Some((_, sign)) if is_quoted || !key.is_empty() => {
                let path = path(&key, is_quoted);
                self.known(start, &path, false)?;
                self.property(path, sign).map(Item::Condition)
            }
            _ if !is_quoted && matches!(key.to_uppercase().as_str(), "AND" | "NOT" | "OR") => {
                let reason = format!("AND, NOT and OR are written in capitals; {EXPECTED}");
                Err(self.scanner.error_at(start, reason))
            }
            _ => Err(self.scanner.error_at(start, EXPECTED)),
        }
    }

    /// The rest of a condition on a property.
    fn property(&mut self, path: Path, sign: &Sign) -> Result<Filter> {
        match sign {
            Sign::Compare(Comparison::Eq) if self.scanner.is_at('(') => {
                let is_about = path.as_about().is_some();
                let values = self.list(|parser| parser.scanner.value())?;
                let values = values.into_iter().flat_map(|(value, text)| {
                    let text = text.filter(|_| !is_about);
                    std::iter::once(value).chain(text)
                });
                let values = values.collect();
                Ok(Filter::In { path, values })
            }
            Sign::Compare(comparison) => {
                let comparison = *comparison;
                let compare = |path, value| Filter::compare(path, comparison, value);
                self.value_or_day(path, comparison != Comparison::Ne, compare)
            }
            Sign::Contains => self.value_or_day(path, true, Filter::contains),
            Sign::Prefix => {
                let prefix = self.word()?;
                Ok(Filter::Prefix { path, prefix })
            }
            Sign::Text => {
                let (path, words) = (Some(path), self.words()?);
                Ok(Filter::Text { path, words })
            }
        }
    }

    /// A condition on a value. A day is kept as a timestamp or as a text: one of the two has to fit
    /// if `is_any`, and both otherwise.
    fn value_or_day(
        &mut self,
        path: Path,
        is_any: bool,
        condition: impl Fn(Path, Value) -> Filter,
    ) -> Result<Filter> {
        let start = self.scanner.position();
        let found = self.scanner.value()?;
        if let (Some(name @ ("created" | "updated")), false) =
            (path.as_about(), matches!(found.0, Value::Timestamp(_)))
        {
            let reason = format!(
                "@{name} is compared with a day such as 2026-12-01, or a time such as \
                 2026-12-01T10:30:00Z"
            );
            return Err(self.scanner.error_at(start, reason));
        }
        Ok(match found {
            (value, Some(text)) if path.as_about().is_none() => {
                let both = vec![condition(path.clone(), value), condition(path, text)];
                if is_any {
                    Filter::Or(both)
                } else {
                    Filter::And(both)
                }
            }
            (value, _) => condition(path, value),
        })
    }

    /// What stands in parentheses with commas between, or the one thing that stands there without.
    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        if !self.scanner.take("(") {
            return Ok(vec![read(self)?]);
        }
        let mut items = Vec::new();
        loop {
            self.scanner.skip_spaces();
            if self.scanner.take(")") {
                return Ok(items);
            }
            items.push(read(self)?);
            self.scanner.skip_spaces();
            if !self.scanner.take(",") && !self.scanner.is_at(')') {
                return Err(self
                    .scanner
                    .error("expected a comma or a closing parenthesis"));
            }
        }
    }

    /// A text, which may be empty only in quotes.
    fn word(&mut self) -> Result<String> {
        match self.scanner.text(Word::Value)? {
            (text, false) if text.is_empty() => Err(self.scanner.error("expected a text")),
            (text, _) => Ok(text),
        }
    }

    /// What is searched for.
    fn words(&mut self) -> Result<Words> {
        let start = self.scanner.position();
        let words = Words::new(self.word()?);
        match words.check() {
            Ok(()) => Ok(words),
            Err(error) => Err(self.scanner.error_at(start, error.to_string())),
        }
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self) -> Result<T> {
        let start = self.scanner.position();
        let word = self.scanner.word(Word::Value);
        let parsed = word.parse();
        parsed.map_err(|error: T::Err| self.scanner.error_at(start, error.to_string()))
    }

    /// A path, in quotes or not.
    fn path(&mut self, is_order: bool) -> Result<Path> {
        let start = self.scanner.position();
        match self.scanner.text(Word::Path)? {
            (text, false) if text.is_empty() => Err(self.scanner.error("expected a property")),
            (text, is_quoted) => {
                let path = path(&text, is_quoted);
                self.known(start, &path, is_order)?;
                Ok(path)
            }
        }
    }

    /// Refuses what is known of no object.
    fn known(&self, start: usize, path: &Path, is_order: bool) -> Result<()> {
        let Some(name) = path.as_about() else {
            return Ok(());
        };
        if ABOUT.contains(&name) || is_order && name == Query::RELEVANCE {
            return Ok(());
        }
        let reason = if name == Query::RELEVANCE {
            "@relevance is possible in order: only".to_owned()
        } else {
            let known = ABOUT.join(", @");
            format!(
                "nothing is known as @{name}, but @{known}; a property of that name stands in \
                 quotes"
            )
        };
        Err(self.scanner.error_at(start, reason))
    }

    /// What names an object, and after a slash the property that refers.
    fn reference<T: FromStr<Err: Display>>(&mut self) -> Result<(T, Option<Path>)> {
        let start = self.scanner.position();
        let word = self.scanner.word(Word::Value);
        let (name, rest) = word
            .split_once('/')
            .map_or((word, None), |(name, rest)| (name, Some(rest)));
        let parsed = name.parse();
        let parsed =
            parsed.map_err(|error: T::Err| self.scanner.error_at(start, error.to_string()))?;
        let path = match rest {
            None => None,
            Some(_) => {
                self.scanner.go_back(start + name.len() + 1);
                Some(self.path(false)?)
            }
        };
        Ok((parsed, path))
    }

    /// What another system calls an object.
    fn foreign_key(&mut self) -> Result<ForeignKey> {
        let start = self.scanner.position();
        if self.scanner.is_at('"') {
            let source = self.word()?;
            if self.scanner.take("#") {
                return Ok(ForeignKey::new(source, self.word()?));
            }
            return Err(self.scanner.error_at(start, KEY));
        }
        self.scanner.begins_word()?;
        if let Some((source, id)) = self.scanner.word(Word::Value).rsplit_once('#') {
            if id.is_empty() && self.scanner.is_at('"') {
                return Ok(ForeignKey::new(source, self.word()?));
            }
            return Ok(ForeignKey::new(source, id));
        }
        Err(self.scanner.error_at(start, KEY))
    }

    /// A condition that is none on a property; `None` when the kind is none of them.
    fn condition(&mut self, kind: &str) -> Result<Option<Filter>> {
        Ok(Some(match kind {
            "child-of" => Filter::ChildOf(self.parsed()?),
            "has" => Filter::Exists(self.path(false)?),
            "id" => Filter::Ids(self.list(Self::parsed)?.into_iter().collect()),
            "is" => {
                let start = self.scanner.position();
                match self.scanner.word(Word::Value) {
                    "child" => Filter::HasParent,
                    _ => return Err(self.scanner.error_at(start, "expected child")),
                }
            }
            "key" => {
                let keys: BTreeSet<_> = self.list(Self::foreign_key)?.into_iter().collect();
                Filter::ForeignKeys(keys)
            }
            "referenced-by" => {
                let (source, path) = self.reference()?;
                Filter::ReferencedBy { source, path }
            }
            "references" => {
                let (target, path) = self.reference()?;
                Filter::References { path, target }
            }
            "relation-from" => Filter::RelationFrom(self.parsed()?),
            "relation-to" => Filter::RelationTo(self.parsed()?),
            "relations-of" => Filter::relations_of(self.parsed::<ObjectRef>()?),
            "tag" => Filter::Tag(self.word()?),
            "text" => Filter::text(self.words()?),
            "type" => Filter::type_name(self.word()?),
            "type-any" => Filter::TypeAnyVersion(self.word()?),
            "type-exact" => Filter::TypeExact(TypeName::from(self.word()?)),
            _ => return Ok(None),
        }))
    }

    /// An option of the query; `false` when the kind is none of them.
    fn option(&mut self, start: usize, kind: &str) -> Result<bool> {
        if !matches!(kind, "after" | "deleted" | "limit" | "order") {
            return Ok(false);
        }
        if !self.has_options || self.depth > 0 {
            let reason = format!(
                "{kind} is not possible here: it belongs to a query as a whole; write \"{kind}\" in \
                 quotes for a property of that name"
            );
            return Err(self.scanner.error_at(start, reason));
        }
        let is_repeated = match kind {
            "after" => self.query.after.is_some(),
            "limit" => self.query.limit.is_some(),
            _ => false,
        };
        if is_repeated {
            let reason = format!("{kind} stands here twice; leave one out");
            return Err(self.scanner.error_at(start, reason));
        }
        match kind {
            "after" => self.query.after = Some(self.parsed()?),
            "deleted" => {
                let start = self.scanner.position();
                self.query.deleted = match self.scanner.word(Word::Value) {
                    "exclude" => Deleted::Exclude,
                    "include" => Deleted::Include,
                    "only" => Deleted::Only,
                    _ => {
                        return Err(self
                            .scanner
                            .error_at(start, "expected exclude, include or only"));
                    }
                };
            }
            "limit" => {
                let start = self.scanner.position();
                let limit = self.scanner.word(Word::Value).parse();
                let limit = limit.map_err(|_| {
                    let reason = "expected how many at most, such as 20";
                    self.scanner.error_at(start, reason)
                });
                self.query.limit = Some(limit?);
            }
            _ => loop {
                let direction = if self.scanner.take("-") {
                    Direction::Descending
                } else {
                    Direction::Ascending
                };
                let path = self.path(true)?;
                self.query.order.push(OrderBy { path, direction });
                if !self.scanner.take(",") {
                    break;
                }
            },
        }
        Ok(true)
    }
}

/// The path that a word names.
fn path(word: &str, is_quoted: bool) -> Path {
    match word.strip_prefix('@') {
        Some(name) if !is_quoted => Path::about(name),
        _ => Path::from(word),
    }
}
