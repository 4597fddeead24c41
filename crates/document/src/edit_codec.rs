//! The binary form of what operations do to texts and lists.
//!
//! Elements are named by the number of their feed in the transaction, which begins with 0 and
//! the feed itself where it is new, and their distance from the one of that feed named before.

use std::collections::BTreeMap;

use dxos_keys::FeedId;

use crate::codec::{DecodeError, Decoder, Encoder};
use crate::{Anchor, ElementId, ListEdit, Place, TextEdit, WriteId};

/// The feeds that a transaction names, with the number after the last element of each.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    list: Vec<(FeedId, u32)>,
    /// Where each is in the list, for the writer.
    places: BTreeMap<FeedId, usize>,
}

const DELETE: u8 = 1;
const INSERT: u8 = 2;
const MARK: u8 = 3;
const MOVE: u8 = 4;

const START: u8 = 0;
const AFTER: u8 = 1;
const BEFORE: u8 = 2;
const END: u8 = 3;

const WHAT: &str = "an edit";

impl Feeds {
    fn put_feed(&mut self, feed: FeedId, to: &mut Encoder<'_>) -> usize {
        if let Some(known) = self.places.get(&feed) {
            to.count(known + 1);
            return *known;
        }
        to.byte(0);
        to.raw(feed.as_bytes());
        let place = self.list.len();
        self.list.push((feed, 0));
        self.places.insert(feed, place);
        place
    }

    fn get_feed(&mut self, from: &mut Decoder<'_>) -> Result<usize, DecodeError> {
        match from.varint(WHAT)? {
            0 => {
                let feed = from.feed(WHAT)?;
                self.list.push((feed, 0));
                Ok(self.list.len() - 1)
            }
            number => usize::try_from(number - 1)
                .ok()
                .filter(|number| *number < self.list.len())
                .ok_or(malformed()),
        }
    }

    fn put_element(&mut self, element: ElementId, to: &mut Encoder<'_>) {
        let known = self.put_feed(element.feed, to);
        self.put_n(known, element.n, to);
    }

    fn put_n(&mut self, known: usize, n: u32, to: &mut Encoder<'_>) {
        if let Some((_, base)) = self.list.get_mut(known) {
            to.signed(i64::from(n) - i64::from(*base));
            *base = n;
        }
    }

    fn get_element(&mut self, from: &mut Decoder<'_>) -> Result<ElementId, DecodeError> {
        let known = self.get_feed(from)?;
        self.get_n(known, from)
    }

    fn get_n(&mut self, known: usize, from: &mut Decoder<'_>) -> Result<ElementId, DecodeError> {
        let (feed, base) = self.list.get_mut(known).ok_or(malformed())?;
        let n = from.signed(WHAT)?.checked_add(i64::from(*base));
        let n = n.and_then(|n| u32::try_from(n).ok()).ok_or(malformed())?;
        *base = n;
        Ok(ElementId { feed: *feed, n })
    }

    pub(crate) fn put_write(&mut self, of: &WriteId, to: &mut Encoder<'_>) {
        self.put_feed(of.feed, to);
        to.varint(of.seq);
        to.varint(of.index.into());
    }

    pub(crate) fn get_write(&mut self, from: &mut Decoder<'_>) -> Result<WriteId, DecodeError> {
        let known = self.get_feed(from)?;
        let (feed, _) = self.list.get(known).ok_or(malformed())?;
        Ok(WriteId {
            feed: *feed,
            seq: from.varint(WHAT)?,
            index: small(from)?,
        })
    }

    fn put_place(&mut self, place: Place, to: &mut Encoder<'_>) {
        match place {
            Place::Start => to.byte(START),
            Place::After(element) => {
                to.byte(AFTER);
                self.put_element(element, to);
            }
            Place::Before(element) => {
                to.byte(BEFORE);
                self.put_element(element, to);
            }
        }
    }

    fn get_place(&mut self, from: &mut Decoder<'_>) -> Result<Place, DecodeError> {
        Ok(match from.byte(WHAT)? {
            START => Place::Start,
            AFTER => Place::After(self.get_element(from)?),
            BEFORE => Place::Before(self.get_element(from)?),
            found => return Err(newer(found)),
        })
    }

    pub(crate) fn put_anchor(&mut self, anchor: Anchor, to: &mut Encoder<'_>) {
        match anchor {
            Anchor::Start => to.byte(START),
            Anchor::End => to.byte(END),
            Anchor::After(element) => {
                to.byte(AFTER);
                self.put_element(element, to);
            }
            Anchor::Before(element) => {
                to.byte(BEFORE);
                self.put_element(element, to);
            }
        }
    }

    pub(crate) fn get_anchor(&mut self, from: &mut Decoder<'_>) -> Result<Anchor, DecodeError> {
        Ok(match from.byte(WHAT)? {
            START => Anchor::Start,
            END => Anchor::End,
            AFTER => Anchor::After(self.get_element(from)?),
            BEFORE => Anchor::Before(self.get_element(from)?),
            found => return Err(newer(found)),
        })
    }

    pub(crate) fn put_text_edit<'a>(&mut self, edit: &'a TextEdit, to: &mut Encoder<'a>) {
        match edit {
            TextEdit::Delete { first, len } => {
                to.byte(DELETE);
                self.put_element(*first, to);
                to.varint((*len).into());
            }
            TextEdit::Insert { start, at, text } => {
                to.byte(INSERT);
                self.put_place(*at, to);
                to.varint((*start).into());
                to.count(text.len());
                to.raw(text.as_bytes());
            }
            TextEdit::Mark {
                from,
                to: end,
                name,
                value,
            } => {
                to.byte(MARK);
                self.put_anchor(*from, to);
                self.put_anchor(*end, to);
                to.name(name);
                to.value(value);
            }
        }
    }

    pub(crate) fn get_text_edit(
        &mut self,
        from: &mut Decoder<'_>,
        left: usize,
    ) -> Result<TextEdit, DecodeError> {
        Ok(match from.byte(WHAT)? {
            DELETE => TextEdit::Delete {
                first: self.get_element(from)?,
                len: some(from)?,
            },
            INSERT => {
                let (at, start) = (self.get_place(from)?, small(from)?);
                let text = from.string(WHAT)?;
                if text.is_empty() {
                    return Err(malformed());
                }
                TextEdit::Insert { start, at, text }
            }
            MARK => TextEdit::Mark {
                from: self.get_anchor(from)?,
                to: self.get_anchor(from)?,
                name: from.name(WHAT)?,
                value: from.value(from.limits.descend(left, 1)?)?,
            },
            found => return Err(newer(found)),
        })
    }

    pub(crate) fn put_list_edit<'a>(&mut self, edit: &'a ListEdit, to: &mut Encoder<'a>) {
        match edit {
            ListEdit::Delete { first, len } => {
                to.byte(DELETE);
                self.put_element(*first, to);
                to.varint((*len).into());
            }
            ListEdit::Insert { start, at, values } => {
                to.byte(INSERT);
                self.put_place(*at, to);
                to.varint((*start).into());
                to.count(values.len());
                to.values(values);
            }
            ListEdit::Move { item, start, at } => {
                to.byte(MOVE);
                self.put_element(*item, to);
                self.put_place(*at, to);
                to.varint((*start).into());
            }
        }
    }

    pub(crate) fn get_list_edit(
        &mut self,
        from: &mut Decoder<'_>,
        left: usize,
    ) -> Result<ListEdit, DecodeError> {
        Ok(match from.byte(WHAT)? {
            DELETE => ListEdit::Delete {
                first: self.get_element(from)?,
                len: some(from)?,
            },
            INSERT => {
                let (at, start) = (self.get_place(from)?, small(from)?);
                let values = from.values(left)?;
                if values.is_empty() {
                    return Err(malformed());
                }
                ListEdit::Insert { start, at, values }
            }
            MOVE => {
                let item = self.get_element(from)?;
                let at = self.get_place(from)?;
                ListEdit::Move {
                    item,
                    start: small(from)?,
                    at,
                }
            }
            found => return Err(newer(found)),
        })
    }
}

const fn malformed() -> DecodeError {
    DecodeError::Malformed { what: WHAT }
}

fn newer(found: u8) -> DecodeError {
    DecodeError::NewerProgram {
        what: "kind of edit",
        found: found.into(),
    }
}

fn small(from: &mut Decoder<'_>) -> Result<u32, DecodeError> {
    u32::try_from(from.varint(WHAT)?).map_err(|_| malformed())
}

fn some(from: &mut Decoder<'_>) -> Result<u32, DecodeError> {
    small(from).and_then(|len| if len == 0 { Err(malformed()) } else { Ok(len) })
}
