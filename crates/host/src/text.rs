//! A text that a client edits: versions, positions in UTF-16 units, what it was told and what
//! not.

use std::fmt::Write as _;

use dxos_client::{
    Anchor, Expand, Mirrored, Role, SpaceKey, SpaceReport, TextContent, TextDelta, TextHandle,
    TextMirror, TextUpdate, Value,
};
use ropey::Rope;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use crate::convert::small;
use crate::limits::{SPLICE_BYTES_MAX, SPLICES_MAX};
use crate::protocol::{
    ErrorAction, ErrorInfo, ExpandSpec, MarkInfo, SetCursor, TextChangeInfo, TextSplice, TextValue,
    code,
};

/// Channels of a space on which cursors are told begin so; the object follows.
const CHANNEL: &str = "dxos.cursors/";

/// Where a text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) space: SpaceKey,
    pub(crate) object: dxos_client::ObjectId,
    pub(crate) path: String,
}

impl Place {
    pub(crate) fn channel(&self) -> String {
        format!("{CHANNEL}{}", self.object)
    }
}

/// What is told of a cursor to others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CursorMessage {
    pub(crate) path: String,
    pub(crate) editor: String,
    /// Where the selection begins and where the cursor is; none when it is gone.
    pub(crate) selection: Option<(Anchor, Anchor)>,
}

/// A text that a client edits.
pub(crate) struct Editor {
    place: Place,
    /// Tells the editors of one device apart.
    name: String,
    mirror: TextMirror,
    /// What the client was told, and what is pending.
    text: Rope,
    version: u64,
    /// The last edit that was taken in, and the version after it.
    edit: u64,
    answer: u64,
    /// What the client is to be told.
    pending: Vec<TextSplice>,
    pending_bytes: usize,
    /// The client is to be told all of it.
    renew: bool,
    report: watch::Receiver<SpaceReport>,
    /// There is something to tell.
    pub(crate) wake: std::sync::Arc<Notify>,
}

impl std::fmt::Debug for Editor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Editor")
            .field("place", &self.place)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What the client is told.
#[derive(Debug)]
pub(crate) enum Told {
    Value(TextValue),
    Change(TextChangeInfo),
}

impl Editor {
    pub(crate) fn new(
        place: Place,
        name: String,
        handle: &TextHandle,
        report: watch::Receiver<SpaceReport>,
    ) -> Self {
        let (mirror, text) = handle.mirror();
        Self {
            place,
            name,
            mirror,
            text: Rope::from_str(text.as_str()),
            version: 0,
            edit: 0,
            answer: 0,
            pending: Vec::new(),
            pending_bytes: 0,
            renew: true,
            report,
            wake: std::sync::Arc::default(),
        }
    }

    pub(crate) fn handle(&self) -> TextHandle {
        self.mirror.handle().clone()
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// All of it is to be told.
    pub(crate) fn renew(&mut self) {
        self.renew = true;
    }

    /// What the client is to be told now, if there is anything.
    pub(crate) fn tell(&mut self) -> Option<Told> {
        self.catch_up();
        if self.renew {
            return Some(Told::Value(self.value()));
        }
        if self.pending.is_empty() {
            return None;
        }
        self.version += 1;
        self.pending_bytes = 0;
        Some(Told::Change(TextChangeInfo {
            version: self.version,
            changes: std::mem::take(&mut self.pending),
        }))
    }

    fn value(&mut self) -> TextValue {
        let text = self.mirror.renew();
        self.renew = false;
        self.pending.clear();
        self.pending_bytes = 0;
        self.version += 1;
        self.text = Rope::from_str(text.as_str());
        TextValue {
            version: self.version,
            content: text.as_str().to_owned(),
            marks: self.marks(&text),
            edit: self.edit,
        }
    }

    fn marks(&self, text: &TextContent) -> Vec<MarkInfo> {
        let units = |at: usize| {
            let at = at.min(self.text.len_chars());
            small(self.text.char_to_utf16_cu(at))
        };
        let spans = text.spans().iter();
        spans
            .map(|span| MarkInfo {
                from: units(span.from),
                to: units(span.to),
                name: span.name.to_string(),
                value: span.value.to_json(),
            })
            .collect()
    }

    /// Takes in what others have changed.
    fn catch_up(&mut self) {
        while let Some(update) = self.mirror.ready() {
            match update {
                _ if self.renew => {}
                TextUpdate::Renewed => self.renew = true,
                TextUpdate::Edited(deltas) => {
                    for delta in deltas {
                        self.push(&delta);
                    }
                }
            }
        }
    }

    fn push(&mut self, delta: &TextDelta) {
        let end = delta.at.saturating_add(delta.delete);
        if end > self.text.len_chars() {
            // That cannot be; whatever it was, the client begins anew.
            self.renew = true;
            return;
        }
        let at = self.text.char_to_utf16_cu(delta.at);
        let until = self.text.char_to_utf16_cu(end);
        self.text.remove(delta.at..end);
        self.text.insert(delta.at, &delta.insert);
        self.pending_bytes += delta.insert.len();
        self.pending.push(TextSplice {
            at: small(at),
            delete: small(until - at),
            insert: delta.insert.clone(),
        });
        if self.pending.len() > SPLICES_MAX || self.pending_bytes > SPLICE_BYTES_MAX {
            self.renew = true;
        }
    }

    fn may_write(&self) -> Result<(), ErrorInfo> {
        let report = self.report.borrow();
        let may = report.role.is_some_and(|role| role >= Role::Editor);
        if may && report.departure.is_none() {
            return Ok(());
        }
        let message = "your role does not allow to edit this text; ask an admin of the space";
        Err(ErrorInfo::new(
            code::NOT_PERMITTED,
            "notPermitted",
            ErrorAction::AskAdmin,
            message,
        ))
    }

    /// Whether what the client has is what shows.
    fn current(&mut self, version: u64) -> Result<(), ErrorInfo> {
        self.catch_up();
        if self.renew || !self.pending.is_empty() || version != self.version {
            return Err(stale(version));
        }
        Ok(())
    }

    /// Takes an edit in and gives the version after it.
    pub(crate) fn edit(
        &mut self,
        number: u64,
        version: u64,
        changes: &[TextSplice],
    ) -> Result<u64, ErrorInfo> {
        if number == self.edit && number > 0 {
            return Ok(self.answer);
        }
        if number < self.edit || number == 0 {
            let message = format!(
                "edit {number} comes after edit {}; count them up",
                self.edit
            );
            return Err(ErrorInfo::params(message));
        }
        self.may_write()?;
        self.current(version)?;
        let mut text = self.text.clone();
        let mut deltas = Vec::new();
        for change in changes {
            deltas.push(splice(&mut text, change)?);
        }
        match self.mirror.splice(&deltas)? {
            Mirrored::Behind => return Err(stale(version)),
            Mirrored::Done => {}
        }
        self.text = text;
        self.version += 1;
        self.edit = number;
        self.answer = self.version;
        Ok(self.version)
    }

    /// Marks a range and gives the version after that, which comes as a value.
    pub(crate) fn mark(
        &mut self,
        version: u64,
        (from, to): (u32, u32),
        (name, value): (&str, Value),
        expand: ExpandSpec,
    ) -> Result<u64, ErrorInfo> {
        self.may_write()?;
        self.current(version)?;
        let range = (char_of(&self.text, from)?, char_of(&self.text, to)?);
        let expand = match expand {
            ExpandSpec::After => Expand::After,
            ExpandSpec::Before => Expand::Before,
            ExpandSpec::Both => Expand::Both,
            ExpandSpec::None => Expand::None,
        };
        match self.mirror.mark(range, name, value, expand)? {
            Mirrored::Behind => return Err(stale(version)),
            Mirrored::Done => {}
        }
        self.renew = true;
        self.wake.notify_one();
        // The value that shows the mark is the next version.
        Ok(self.version + 1)
    }

    /// Takes back the last step, or does it again; `false` when there is none. What changed is
    /// told.
    pub(crate) fn step(&mut self, again: bool) -> Result<bool, ErrorInfo> {
        self.may_write()?;
        self.catch_up();
        let content = if again {
            self.mirror.redo()
        } else {
            self.mirror.undo()
        };
        let Some(content) = content else {
            return Ok(false);
        };
        if !self.renew {
            if let Some(delta) = difference(&self.text, &content) {
                self.push(&delta);
            } else {
                // Only marks have changed.
                self.renew = true;
            }
        }
        self.wake.notify_one();
        Ok(true)
    }

    /// What others are to be told of the client's cursor: in which space, on which channel.
    pub(crate) fn cursor_message(
        &mut self,
        set: &SetCursor,
    ) -> Result<(SpaceKey, String, Vec<u8>), ErrorInfo> {
        let selection = match &set.selection {
            None => None,
            Some(selection) => {
                self.current(set.version)?;
                let handle = self.mirror.handle();
                let anchor = handle.cursor(char_of(&self.text, selection.anchor)?)?;
                let head = handle.cursor(char_of(&self.text, selection.head)?)?;
                Some((anchor, head))
            }
        };
        let message = CursorMessage {
            path: self.place.path.clone(),
            editor: self.name.clone(),
            selection,
        };
        let payload =
            serde_json::to_vec(&message).map_err(|error| ErrorInfo::internal(error.to_string()))?;
        Ok((self.place.space, self.place.channel(), payload))
    }

    /// Where a cursor of somebody else is in what the client was told.
    pub(crate) fn position(&self, anchor: &Anchor) -> Option<u32> {
        let at = self.mirror.handle().position(anchor)?;
        let at = at.min(self.text.len_chars());
        Some(small(self.text.char_to_utf16_cu(at)))
    }
}

fn stale(version: u64) -> ErrorInfo {
    let mut message = String::new();
    let _ = write!(message, "the text is not at version {version}; ");
    message.push_str("take in the changes that are on their way and send it again");
    ErrorInfo::new(code::STALE, "stale", ErrorAction::Retry, message)
}

fn out_of_range(at: u32, text: &Rope) -> ErrorInfo {
    ErrorInfo::params(format!(
        "there is no place {at} in the text, which has {} UTF-16 units, or it is in the middle of \
         a character",
        text.len_utf16_cu()
    ))
}

/// The character at a place that is given in UTF-16 units.
fn char_of(text: &Rope, units: u32) -> Result<usize, ErrorInfo> {
    let at = units as usize;
    if at > text.len_utf16_cu() {
        return Err(out_of_range(units, text));
    }
    let character = text.utf16_cu_to_char(at);
    if text.char_to_utf16_cu(character) != at {
        return Err(out_of_range(units, text));
    }
    Ok(character)
}

/// Changes a copy of the text and says the same in characters.
fn splice(text: &mut Rope, change: &TextSplice) -> Result<TextDelta, ErrorInfo> {
    let at = char_of(text, change.at)?;
    let end = char_of(text, change.at.saturating_add(change.delete))?;
    text.remove(at..end);
    text.insert(at, &change.insert);
    Ok(TextDelta {
        at,
        delete: end - at,
        insert: change.insert.clone(),
    })
}

/// The one replacement that turns a text into another; none when they are equal.
fn difference(old: &Rope, new: &str) -> Option<TextDelta> {
    let front = old
        .chars()
        .zip(new.chars())
        .take_while(|(one, two)| one == two)
        .count();
    let (old_len, new_len) = (old.len_chars(), new.chars().count());
    if front == old_len && front == new_len {
        return None;
    }
    let mut back = 0;
    let mut ends = old.chars_at(old_len).reversed().zip(new.chars().rev());
    while front + back < old_len.min(new_len) && ends.next().is_some_and(|(one, two)| one == two) {
        back += 1;
    }
    Some(TextDelta {
        at: front,
        delete: old_len - back - front,
        insert: new
            .chars()
            .skip(front)
            .take(new_len - back - front)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_difference_turns_the_old_into_the_new(old in "[ab€😀]{0,12}", new in "[ab€😀]{0,12}") {
            let mut rope = Rope::from_str(&old);
            if let Some(delta) = difference(&rope, &new) {
                rope.remove(delta.at..delta.at + delta.delete);
                rope.insert(delta.at, &delta.insert);
            }
            prop_assert_eq!(rope.to_string(), new);
        }

        #[test]
        fn splices_in_utf_16_do_what_javascript_does(
            text in "[ab€😀]{0,12}", at in 0_u32..30, delete in 0_u32..30, insert in "[x😀]{0,3}",
        ) {
            let units: Vec<u16> = text.encode_utf16().collect();
            let (from, to) = (at as usize, (at + delete) as usize);
            let mut rope = Rope::from_str(&text);
            let change = TextSplice { at, delete, insert: insert.clone() };
            let spliced = splice(&mut rope, &change);
            let expected = units.get(from..to).and_then(|_| {
                let mut expected = units.clone();
                expected.splice(from..to, insert.encode_utf16());
                String::from_utf16(&expected).ok()
            });
            match expected {
                // JavaScript may cut a character in two and put it together again.
                Some(expected) if spliced.is_ok() => prop_assert_eq!(rope.to_string(), expected),
                Some(_) => {
                    let pair = |at: usize| units.get(at).is_some_and(|unit| (0xdc00..0xe000).contains(unit));
                    prop_assert!(pair(from) || pair(to));
                }
                None => prop_assert!(spliced.is_err()),
            }
        }
    }
}
