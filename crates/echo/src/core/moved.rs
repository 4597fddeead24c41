//! Names of what was written again: operations on texts and lists name transactions and elements
//! by the feed that they are in, and that is another one now.

use std::collections::BTreeMap;

use dxos_document::{
    Anchor, ElementId, Key, ListEdit, Op, Path, Place, TextEdit, Transaction, Value, WriteId,
};
use dxos_keys::{FeedId, ObjectId};

/// A place of a feed.
pub(super) type At = (FeedId, u64);

/// A text or list, by the names that it had, and whose elements in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sequence {
    object: ObjectId,
    path: Path,
    of: WriteId,
    feed: FeedId,
}

/// Elements by their numbers: up to where, and by which transaction.
type Spans = BTreeMap<u32, (u32, u64)>;

/// Where lost transactions were written again, and what they inserted.
#[derive(Debug, Default)]
pub(super) struct Moved {
    pub(super) again: BTreeMap<At, At>,
    /// The characters and items that they inserted.
    elements: BTreeMap<Sequence, Spans>,
}

/// A text or list, by the names that it had.
type Of<'a> = (ObjectId, &'a Path, WriteId);

/// The place of a transaction that is being written again, and its new one.
type Own = (FeedId, u64, At);

impl Moved {
    /// Notes what a lost transaction inserted.
    pub(super) fn note(&mut self, (feed, seq): At, transaction: Option<&Transaction>) {
        let ops = transaction.map_or(&[][..], |transaction| &transaction.ops);
        for (index, op) in (0..).zip(ops) {
            let made = WriteId { feed, seq, index };
            let object = op.object();
            match op {
                Op::Create { properties, .. } => {
                    for (key, value) in properties {
                        self.note_value(object, &Path::from(key.clone()), value, made);
                    }
                }
                Op::Set { path, value, .. } => self.note_value(object, path, value, made),
                Op::Text {
                    path, of, edits, ..
                } => {
                    for edit in edits {
                        if let TextEdit::Insert { start, text, .. } = edit {
                            let count = text.chars().count();
                            self.note_span((object, path, *of), (*start, count), made);
                        }
                    }
                }
                Op::List {
                    path, of, edits, ..
                } => {
                    for edit in edits {
                        match edit {
                            ListEdit::Insert { start, values, .. } => {
                                self.note_span((object, path, *of), (*start, values.len()), made);
                                self.note_items((object, path), (*start, values), made);
                            }
                            ListEdit::Move { start, .. } => {
                                self.note_span((object, path, *of), (*start, 1), made);
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Notes the texts and lists in a value that was assigned.
    fn note_value(&mut self, object: ObjectId, path: &Path, value: &Value, made: WriteId) {
        match value {
            Value::Map(map) => {
                for (key, value) in map {
                    self.note_value(object, &path.child(key.clone()), value, made);
                }
            }
            Value::List(items) => {
                self.note_span((object, path, made), (0, items.len()), made);
                self.note_items((object, path), (0, items), made);
            }
            Value::Text(text) => {
                let count = text.as_str().chars().count();
                self.note_span((object, path, made), (0, count), made);
            }
            _ => {}
        }
    }

    fn note_items(
        &mut self,
        (object, path): (ObjectId, &Path),
        (start, values): (u32, &[Value]),
        made: WriteId,
    ) {
        let feed = made.feed;
        for (n, value) in (start..).zip(values) {
            let path = path.child(Key::item(ElementId { feed, n }));
            self.note_value(object, &path, value, made);
        }
    }

    fn note_span(
        &mut self,
        (object, path, of): (ObjectId, &Path, WriteId),
        (start, count): (u32, usize),
        made: WriteId,
    ) {
        let sequence = Sequence {
            object,
            path: path.clone(),
            of,
            feed: made.feed,
        };
        let end = start.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        let spans = self.elements.entry(sequence).or_default();
        spans.insert(start, (end, made.seq));
    }

    /// Where something of a transaction is now.
    fn place(&self, at: At, (feed, seq, new): Own) -> Option<At> {
        if at == (feed, seq) {
            Some(new)
        } else {
            self.again.get(&at).copied()
        }
    }

    fn write(&self, id: WriteId, own: Own) -> WriteId {
        let place = self.place((id.feed, id.seq), own);
        place.map_or(id, |(feed, seq)| WriteId { feed, seq, ..id })
    }

    /// The feed of an element of a text or list now, and up to which number.
    fn span(&self, of: Of<'_>, id: ElementId, own: Own) -> (FeedId, u32) {
        let sequence = Sequence {
            object: of.0,
            path: of.1.clone(),
            of: of.2,
            feed: id.feed,
        };
        let Some(spans) = self.elements.get(&sequence) else {
            return (id.feed, u32::MAX);
        };
        if let Some((_, (end, seq))) = spans.range(..=id.n).next_back()
            && id.n < *end
        {
            let place = self.place((id.feed, *seq), own);
            return (place.map_or(id.feed, |(feed, _)| feed), *end);
        }
        let next = spans.range(id.n..).next();
        (id.feed, next.map_or(u32::MAX, |(start, _)| *start))
    }

    fn element(&self, of: Of<'_>, id: ElementId, own: Own) -> ElementId {
        let (feed, _) = self.span(of, id, own);
        ElementId { feed, ..id }
    }

    /// A range of elements, in as many pieces as it is in now.
    fn range(&self, of: Of<'_>, (first, len): (ElementId, u32), own: Own) -> Vec<(ElementId, u32)> {
        let until = first.n.saturating_add(len);
        let (mut pieces, mut n) = (Vec::new(), first.n);
        while n < until {
            let (feed, end) = self.span(of, ElementId { n, ..first }, own);
            let end = end.min(until);
            pieces.push((ElementId { feed, n }, end - n));
            n = end;
        }
        pieces
    }

    /// An operation with all that it names of lost transactions at its new place.
    pub(super) fn renamed(&self, mut op: Op, own: Own) -> Op {
        let object = op.object();
        match &mut op {
            Op::Increment { path, .. }
            | Op::Set { path, .. }
            | Op::SetAdd { path, .. }
            | Op::SetRemove { path, .. }
            | Op::Unset { path, .. } => self.rename_path(object, path, own),
            Op::Text {
                path, of, edits, ..
            } => {
                let text = (object, &*path, *of);
                let all = std::mem::take(edits).into_iter();
                *edits = all
                    .flat_map(|edit| self.text_edit(text, edit, own))
                    .collect();
                *of = self.write(*of, own);
                self.rename_path(object, path, own);
            }
            Op::List {
                path, of, edits, ..
            } => {
                let list = (object, &*path, *of);
                let all = std::mem::take(edits).into_iter();
                *edits = all
                    .flat_map(|edit| self.list_edit(list, edit, own))
                    .collect();
                *of = self.write(*of, own);
                self.rename_path(object, path, own);
            }
            _ => {}
        }
        op
    }

    fn text_edit(&self, text: Of<'_>, edit: TextEdit, own: Own) -> Vec<TextEdit> {
        let anchor = |anchor| match anchor {
            Anchor::After(id) => Anchor::After(self.element(text, id, own)),
            Anchor::Before(id) => Anchor::Before(self.element(text, id, own)),
            other => other,
        };
        match edit {
            TextEdit::Delete { first, len } => {
                let pieces = self.range(text, (first, len), own).into_iter();
                pieces
                    .map(|(first, len)| TextEdit::Delete { first, len })
                    .collect()
            }
            TextEdit::Insert {
                start,
                at,
                text: content,
            } => {
                let at = self.rename_place(text, at, own);
                vec![TextEdit::Insert {
                    start,
                    at,
                    text: content,
                }]
            }
            TextEdit::Mark {
                from,
                to,
                name,
                value,
            } => vec![TextEdit::Mark {
                from: anchor(from),
                to: anchor(to),
                name,
                value,
            }],
            other => vec![other],
        }
    }

    fn list_edit(&self, list: Of<'_>, edit: ListEdit, own: Own) -> Vec<ListEdit> {
        match edit {
            ListEdit::Delete { first, len } => {
                let pieces = self.range(list, (first, len), own).into_iter();
                pieces
                    .map(|(first, len)| ListEdit::Delete { first, len })
                    .collect()
            }
            ListEdit::Insert { start, at, values } => {
                let at = self.rename_place(list, at, own);
                vec![ListEdit::Insert { start, at, values }]
            }
            ListEdit::Move { item, start, at } => vec![ListEdit::Move {
                item: self.element(list, item, own),
                start,
                at: self.rename_place(list, at, own),
            }],
            other => vec![other],
        }
    }

    fn rename_place(&self, of: Of<'_>, place: Place, own: Own) -> Place {
        match place {
            Place::After(id) => Place::After(self.element(of, id, own)),
            Place::Before(id) => Place::Before(self.element(of, id, own)),
            Place::Start => Place::Start,
        }
    }

    /// Items in a path: which of several lists at one place they are of does not show in it, but
    /// only one of them has items that are lost.
    fn rename_path(&self, object: ObjectId, path: &mut Path, own: Own) {
        let mut renamed = Vec::with_capacity(path.parts().len());
        for (place, part) in path.parts().iter().enumerate() {
            let new = part.as_item().and_then(|item| {
                let above = Path::of(path.parts().iter().take(place).cloned());
                let lists = self.elements.keys();
                let mut lists = lists.filter(|list| {
                    (list.object, &list.path, list.feed) == (object, &above, item.feed)
                });
                lists.find_map(|list| {
                    let new = self.element((object, &above, list.of), item, own);
                    (new != item).then(|| Key::item(new))
                })
            });
            renamed.push(new.unwrap_or_else(|| part.clone()));
        }
        *path = Path::of(renamed);
    }
}
