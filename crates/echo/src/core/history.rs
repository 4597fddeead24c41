//! Who changed what, and when.

use std::collections::{BTreeMap, VecDeque};

use dxos_document::{ListEdit, Op, Path, Stamp, TextEdit};
use dxos_keys::ObjectId;
use dxos_protocol::echo::{Committed, EchoError};
use dxos_protocol::history::{
    Change, ChangeKind, HISTORY_PAGE_MAX, HistoryEntry, HistoryPage, Loser,
};
use dxos_store::Read;

use super::apply::Fresh;
use super::past::{Past, author};
use super::serve::Blocks;
use super::space::Space;

/// Bytes of transactions in one page; a larger one has a page of its own.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Past {
    /// The transactions that count before a place, the newest first, one page of them.
    pub(crate) fn history(
        &self,
        store: &dyn Read,
        object: Option<ObjectId>,
        before: Option<Stamp>,
        limit: usize,
    ) -> Result<HistoryPage, EchoError> {
        let limit = limit.clamp(1, HISTORY_PAGE_MAX);
        let mut page: VecDeque<(Fresh, Vec<Op>)> = VecDeque::new();
        let (mut bytes, mut more) = (0, false);
        let mut walk = self.walk();
        while let Some(fresh) = self.next(&mut walk, store)? {
            if before.is_some_and(|before| fresh.stamp() >= before) {
                break;
            }
            let mut ops = self.open(&fresh).unwrap_or_default().ops;
            ops.retain(|op| object.is_none_or(|object| op.object() == object));
            if ops.is_empty() {
                continue;
            }
            bytes += fresh.block.body.len();
            page.push_back((fresh, ops));
            while page.len() > limit || (bytes > PAGE_BYTES_MAX && page.len() > 1) {
                let dropped = page.pop_front();
                bytes -= dropped.map_or(0, |(fresh, _)| fresh.block.body.len());
                more = true;
            }
        }
        let first = page.front().map(|(fresh, _)| fresh.stamp());
        Ok(HistoryPage {
            before_epoch: self.base.as_ref().filter(|_| !more).map(|base| base.number),
            next: first.filter(|_| more),
            entries: page
                .into_iter()
                .rev()
                .map(|(fresh, ops)| self.entry(&fresh, ops))
                .collect(),
        })
    }

    fn entry(&self, fresh: &Fresh, ops: Vec<Op>) -> HistoryEntry {
        HistoryEntry {
            committed: Committed {
                feed: fresh.feed,
                seq: fresh.seq,
                hash: fresh.hash,
                lamport: fresh.block.lamport,
            },
            author: self.author(&fresh.descriptor),
            time_ms: fresh.block.time_ms,
            changes: ops.into_iter().map(change).collect(),
        }
    }
}

/// An operation as people read it.
fn change(op: Op) -> Change {
    let object = op.object();
    let (path, kind) = match op {
        Op::Create {
            type_name,
            properties,
            ..
        } => {
            let kind = ChangeKind::Created {
                type_name,
                properties,
            };
            (None, kind)
        }
        Op::Delete { .. } => (None, ChangeKind::Deleted),
        Op::Restore { .. } => (None, ChangeKind::Restored),
        Op::Increment { path, by, .. } => (Some(path), ChangeKind::Counted(by)),
        Op::Set { path, value, .. } => (Some(path), ChangeKind::Assigned(value)),
        Op::SetAdd { path, values, .. } => (Some(path), ChangeKind::Added(values)),
        Op::SetRemove { path, values, .. } => (Some(path), ChangeKind::Removed(values)),
        Op::Unset { path, .. } => (Some(path), ChangeKind::Unset),
        Op::Text { path, edits, .. } => (Some(path), text_change(edits)),
        Op::List { path, edits, .. } => (Some(path), list_change(edits)),
        _ => (None, ChangeKind::Edited),
    };
    Change { object, path, kind }
}

fn text_change(edits: Vec<TextEdit>) -> ChangeKind {
    let (mut inserted, mut deleted, mut marked) = (Vec::new(), 0_u64, Vec::new());
    for edit in edits {
        match edit {
            TextEdit::Delete { len, .. } => deleted = deleted.saturating_add(len.into()),
            TextEdit::Insert { text, .. } => inserted.push(text),
            TextEdit::Mark { name, value, .. } => marked.push((name, value)),
            _ => return ChangeKind::Edited,
        }
    }
    ChangeKind::TextEdited {
        inserted,
        deleted,
        marked,
    }
}

fn list_change(edits: Vec<ListEdit>) -> ChangeKind {
    let (mut inserted, mut deleted, mut moved) = (Vec::new(), 0_u64, 0_u64);
    for edit in edits {
        match edit {
            ListEdit::Delete { len, .. } => deleted = deleted.saturating_add(len.into()),
            ListEdit::Insert { values, .. } => inserted.extend(values),
            ListEdit::Move { .. } => moved = moved.saturating_add(1),
            _ => return ChangeKind::Edited,
        }
    }
    ChangeKind::ListEdited {
        inserted,
        deleted,
        moved,
    }
}

impl Space {
    /// The values of an object that lost against concurrent ones, with who assigned them.
    pub(crate) fn conflicts(
        &self,
        object: &ObjectId,
        store: &dyn Read,
    ) -> Result<BTreeMap<Path, Vec<Loser>>, EchoError> {
        let Some(object) = self.object(object, store)? else {
            return Ok(BTreeMap::new());
        };
        let mut found = BTreeMap::new();
        for (path, conflicts) in object.all_conflicts() {
            let mut losers = Vec::with_capacity(conflicts.len());
            for conflict in conflicts {
                losers.extend(self.loser(conflict, store)?);
            }
            found.insert(path.clone(), losers);
        }
        Ok(found)
    }

    fn loser(
        &self,
        conflict: &dxos_document::Conflict,
        store: &dyn Read,
    ) -> Result<Option<Loser>, EchoError> {
        let stamp = conflict.stamp;
        let Some(state) = self.dag.feed(&stamp.feed) else {
            return Ok(None);
        };
        let blocks = self.blocks(store);
        let block = blocks.index().block(&stamp.feed, stamp.seq);
        let block = block.map_err(|error| EchoError::Store {
            reason: error.to_string(),
        })?;
        Ok(block.map(|block| Loser {
            value: conflict.value.clone(),
            author: author(&self.membership, &state.descriptor),
            stamp,
            time_ms: block.time_ms,
        }))
    }
}
