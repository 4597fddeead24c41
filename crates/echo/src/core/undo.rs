//! Undoing a transaction by a new one: where what it did still shows.
//!
//! First the blocks are read again, beside the space: how the objects were before the transaction
//! and right after it, and who has changed what of that since. Then, within the space, what still
//! shows of it is turned back; what others have changed since stays theirs.

use std::collections::{BTreeMap, BTreeSet};

use dxos_document::{Key, Map, ObjectState, Op, Path, Stamp, Transaction, Tx, TxError, Value};
use dxos_keys::{FeedId, IdentityKey, ObjectId};
use dxos_protocol::echo::EchoError;
use dxos_protocol::history::{KeptPart, KeptReason, PropertyDifference, UndoPart, Undone};
use dxos_store::Read;
use rand_core::CryptoRng;

use super::apply::Fresh;
use super::at::compare;
use super::past::{Past, Walk};
use super::space::{Outcome, Space};

/// What the transaction did to one object, and what became of it.
#[derive(Default)]
struct Touched {
    before: ObjectState,
    after: ObjectState,
    /// Places that were assigned by somebody who had seen the transaction.
    assigned: BTreeSet<Path>,
    /// Places where numbers were counted on by the transaction itself.
    counted: BTreeMap<Path, i64>,
    /// Places that the transaction itself assigned.
    set_by_itself: BTreeSet<Path>,
    /// Members that others added to sets.
    added: BTreeMap<Path, BTreeSet<Value>>,
    /// Whether it was deleted or restored by somebody who had seen the transaction.
    deleted: bool,
    /// Whether somebody else has changed it.
    foreign: bool,
}

/// What undoing a transaction takes.
pub(crate) struct UndoPlan {
    target: Fresh,
    author: Option<IdentityKey>,
    objects: BTreeMap<ObjectId, Touched>,
    walk: Walk,
}

impl Past {
    /// Looks up a transaction, and what has become of what it did.
    pub(crate) fn plan_undo(
        &self,
        store: &dyn Read,
        (feed, seq): (FeedId, u64),
        by: Option<IdentityKey>,
    ) -> Result<UndoPlan, EchoError> {
        if let Some(gone) = self.before_base().filter(|_| self.is_gone(&feed, seq)) {
            return Err(gone);
        }
        let (target, transaction) = self.find(store, (feed, seq))?;
        // What came before the transaction must be all that is gone, and not more.
        if let Some(gone) = self
            .before_base()
            .filter(|_| !self.holds_base(&target.past))
        {
            return Err(gone);
        }
        let author = self.author(&target.descriptor);
        if let Some(by) = by
            && author.identity != Some(by)
        {
            return Err(EchoError::OthersTransaction {
                device: author.device,
            });
        }
        let mut objects: BTreeMap<ObjectId, Touched> = BTreeMap::new();
        for op in &transaction.ops {
            objects.entry(op.object()).or_default().note_own(op);
        }
        self.seed(store, &mut |id, state| {
            if let Some(touched) = objects.get_mut(&id) {
                touched.before = state.clone();
                touched.after = state;
            }
        })?;
        let mut plan = UndoPlan {
            target,
            author: author.identity,
            objects,
            walk: self.walk(),
        };
        plan.read_on(self, store)?;
        Ok(plan)
    }

    fn find(
        &self,
        store: &dyn Read,
        (feed, seq): (FeedId, u64),
    ) -> Result<(Fresh, Transaction), EchoError> {
        let unknown = || EchoError::UnknownTransaction { feed, seq };
        let mut walk = self.walk();
        while let Some(fresh) = self.next(&mut walk, store)? {
            if (fresh.feed, fresh.seq) == (feed, seq) {
                let transaction = self.open(&fresh).ok_or_else(unknown)?;
                return Ok((fresh, transaction));
            }
        }
        Err(unknown())
    }
}

impl UndoPlan {
    /// Takes in the blocks of a past that were not read yet.
    fn read_on(&mut self, past: &Past, store: &dyn Read) -> Result<(), EchoError> {
        while let Some(fresh) = past.next(&mut self.walk, store)? {
            let Some(transaction) = past.open(&fresh) else {
                continue;
            };
            let is_target = (fresh.feed, fresh.seq) == (self.target.feed, self.target.seq);
            // What the block itself says of its own feed is not in its past.
            let seen = |later: &Fresh, earlier: &Fresh| later.past.get(&earlier.feed) > earlier.seq;
            let is_before = !is_target && seen(&self.target, &fresh);
            let is_foreign =
                self.author.is_none() || past.author(&fresh.descriptor).identity != self.author;
            let has_seen = seen(&fresh, &self.target);
            for (index, op) in transaction.ops.iter().enumerate() {
                let Some(touched) = self.objects.get_mut(&op.object()) else {
                    continue;
                };
                if is_before {
                    fresh.apply_op(&mut touched.before, op, index);
                }
                if is_before || is_target {
                    fresh.apply_op(&mut touched.after, op, index);
                } else {
                    touched.note(op, has_seen, is_foreign);
                }
            }
        }
        Ok(())
    }
}

impl Touched {
    /// Notes an operation of the transaction itself.
    fn note_own(&mut self, op: &Op) {
        match op {
            Op::Increment { path, by, .. } => {
                let sum = self.counted.entry(path.clone()).or_default();
                *sum = sum.saturating_add(*by);
            }
            Op::Create { properties, .. } => {
                self.set_by_itself
                    .extend(properties.keys().cloned().map(Path::from));
            }
            Op::Set { path, .. } | Op::Unset { path, .. } => {
                self.set_by_itself.insert(path.clone());
            }
            _ => {}
        }
    }

    /// How much the transaction counted on what stood at a place before it.
    fn counted_at(&self, path: &Path) -> Option<i64> {
        let by = *self.counted.get(path)?;
        (!reaches(&self.set_by_itself, path)).then_some(by)
    }

    /// Notes an operation that is not in the transaction's past.
    fn note(&mut self, op: &Op, has_seen: bool, is_foreign: bool) {
        self.foreign |= is_foreign;
        match op {
            Op::Create { properties, .. } if has_seen => {
                self.assigned
                    .extend(properties.keys().cloned().map(Path::from));
            }
            Op::Set { path, .. } | Op::Unset { path, .. } if has_seen => {
                self.assigned.insert(path.clone());
            }
            Op::SetAdd { path, values, .. } => {
                let added = self.added.entry(path.clone()).or_default();
                added.extend(values.iter().cloned());
            }
            Op::Delete { .. } | Op::Restore { .. } => self.deleted |= has_seen,
            _ => {}
        }
    }
}

/// Whether a place, or one above it, is among those that were assigned.
fn reaches(assigned: &BTreeSet<Path>, path: &Path) -> bool {
    let parts = path.parts();
    (1..=parts.len()).any(|length| {
        let above = Path::of(parts.iter().take(length).cloned());
        assigned.contains(&above)
    })
}

impl Space {
    /// Undoes a transaction, as far as what it did still shows.
    pub(crate) fn undo(
        &mut self,
        mut plan: UndoPlan,
        past: &Past,
        now_ms: u64,
        (store, rng): (&dyn Read, &mut dyn CryptoRng),
    ) -> Result<(Result<Undone, EchoError>, Outcome), EchoError> {
        // What has arrived since the plan was made.
        let ready = past
            .go_on(&mut plan.walk)
            .and_then(|()| plan.read_on(past, store))
            .and_then(|()| {
                past.open(&plan.target)
                    .ok_or(EchoError::UnknownTransaction {
                        feed: plan.target.feed,
                        seq: plan.target.seq,
                    })
            });
        if let Err(error) = ready {
            return Ok((Err(error), Outcome::default()));
        }
        let mut undone = Undone::default();
        let work = |tx: &mut Tx<'_>| {
            let all = plan.objects.iter();
            let mut all = all.map(|(object, touched)| {
                Undoing {
                    object: *object,
                    touched,
                    target: plan.target.stamp(),
                    undone: &mut undone,
                }
                .run(tx)
            });
            all.try_for_each(|result| result)
                .map_err(|error| EchoError::InvalidTransaction {
                    reason: error.to_string(),
                })
        };
        let (transacted, outcome) = self.run(work, now_ms, (store, rng))?;
        let result = transacted.map(|committed| Undone {
            committed,
            ..undone
        });
        Ok((result, outcome))
    }
}

/// One object while it is turned back.
struct Undoing<'a> {
    object: ObjectId,
    touched: &'a Touched,
    target: Stamp,
    undone: &'a mut Undone,
}

impl Undoing<'_> {
    fn done(&mut self, path: Option<&Path>) {
        self.undone.undone.push(UndoPart {
            object: self.object,
            path: path.cloned(),
        });
    }

    fn kept(&mut self, path: Option<&Path>, reason: KeptReason) {
        self.undone.kept.push(KeptPart {
            object: self.object,
            path: path.cloned(),
            reason,
        });
    }

    fn run(mut self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        let (before, after) = (&self.touched.before, &self.touched.after);
        let object = self.object;
        let Some(now) = tx.get(object)? else {
            // It was never created: what was assigned to it shows nowhere.
            self.kept(None, KeptReason::Unsupported);
            return Ok(());
        };
        if !before.is_created() && after.is_created() {
            return self.uncreate(tx, now.is_deleted());
        }
        if before.is_deleted() != after.is_deleted() {
            let turned = now.is_deleted() != after.is_deleted();
            if turned || self.touched.deleted {
                self.kept(None, KeptReason::Overwritten);
            } else if before.is_deleted() {
                self.uncreate(tx, false)?;
            } else {
                tx.restore(object)?;
                self.done(None);
            }
        }
        if let (Some(old), Some(new)) = (before.type_name(), after.type_name())
            && old != new
        {
            if now.type_name() == new {
                let (type_name, properties) = (old.clone(), Map::new());
                tx.push(Op::Create {
                    object,
                    type_name,
                    properties,
                })?;
                self.done(None);
            } else {
                self.kept(None, KeptReason::Overwritten);
            }
        }
        let mut changes = Vec::new();
        compare(&before.properties(), &after.properties(), &mut changes);
        for change in changes {
            self.property(tx, change)?;
        }
        Ok(())
    }

    /// Takes away an object that the transaction made or restored.
    fn uncreate(&mut self, tx: &mut Tx<'_>, is_deleted: bool) -> Result<(), TxError> {
        if is_deleted {
            self.kept(None, KeptReason::Overwritten);
        } else if self.touched.foreign {
            self.kept(None, KeptReason::InUse);
        } else {
            tx.remove(self.object)?;
            self.done(None);
        }
        Ok(())
    }

    fn property(&mut self, tx: &mut Tx<'_>, change: PropertyDifference) -> Result<(), TxError> {
        let PropertyDifference {
            path,
            before,
            after,
        } = change;
        if reaches(&self.touched.assigned, &path) {
            self.kept(Some(&path), KeptReason::Overwritten);
            return Ok(());
        }
        let now = tx.existing(self.object)?;
        let shown = now.at(&path).cloned();
        let undone = match (&before, &after, &shown) {
            (_, _, Some(Value::Int(_) | Value::Counter(_)))
                if self.touched.counted_at(&path).is_some() && before.is_some() =>
            {
                self.uncount(tx, &path)?
            }
            (before, Some(Value::Set(new)), Some(Value::Set(shown)))
                if before.is_none() || matches!(before, Some(Value::Set(_))) =>
            {
                let none = BTreeSet::new();
                let old = match before {
                    Some(Value::Set(old)) => old,
                    _ => &none,
                };
                let new_set = before.is_none().then_some(new == shown);
                if new_set == Some(true) && !self.touched.added.contains_key(&path) {
                    tx.unset(self.object, path.clone())?;
                    true
                } else {
                    self.members(tx, &path, (old, new, shown))?
                }
            }
            (None, Some(Value::Counter(count)), Some(Value::Counter(shown))) if count != shown => {
                // Others have counted on it since: that stays.
                match count.checked_neg() {
                    Some(by) => tx.increment(self.object, path.clone(), by).map(|()| true)?,
                    None => false,
                }
            }
            (None, Some(Value::Map(new)), Some(Value::Map(_))) if after != shown => {
                // Others have put something into it: entry by entry then.
                let mut inside = Vec::new();
                compare(&Map::new(), new, &mut inside);
                for change in inside {
                    let parts = path.parts().iter().chain(change.path.parts()).cloned();
                    let path = Path::of(parts);
                    self.property(tx, PropertyDifference { path, ..change })?;
                }
                return Ok(());
            }
            (Some(Value::Text(_)), Some(Value::Text(_)), _)
            | (Some(Value::List(_)), Some(Value::List(_)), _)
                if after == shown =>
            {
                // Edited back, not assigned: it stays the same text or list.
                let mut properties = now.properties().clone();
                put(&mut properties, path.parts(), before.clone());
                tx.replace(self.object, now.properties(), &properties)?;
                true
            }
            _ if after == shown => {
                // What was concurrent and lost against it shows now, if there is any.
                let losers = now.conflicts(path.clone());
                let loser = losers.iter().find(|loser| loser.stamp != self.target);
                match loser.map(|loser| &loser.value).or(before.as_ref()) {
                    Some(value) => tx.set(self.object, path.clone(), value.clone())?,
                    None => tx.unset(self.object, path.clone())?,
                }
                true
            }
            _ => false,
        };
        if undone {
            self.done(Some(&path));
        } else {
            self.kept(Some(&path), KeptReason::Overwritten);
        }
        Ok(())
    }

    fn uncount(&self, tx: &mut Tx<'_>, path: &Path) -> Result<bool, TxError> {
        let by = self
            .touched
            .counted
            .get(path)
            .and_then(|by| by.checked_neg());
        match by {
            Some(by) => tx.increment(self.object, path.clone(), by).map(|()| true),
            None => Ok(false),
        }
    }

    /// Takes out of a set what the transaction added, but for what others added as well, and puts
    /// back what it took out. `false` when nothing is left of that.
    fn members(
        &self,
        tx: &mut Tx<'_>,
        path: &Path,
        (old, new, shown): (&BTreeSet<Value>, &BTreeSet<Value>, &BTreeSet<Value>),
    ) -> Result<bool, TxError> {
        let others = self.touched.added.get(path);
        let by_others = |value: &&Value| others.is_some_and(|others| others.contains(*value));
        let added = new.difference(old).filter(|value| shown.contains(*value));
        let added: Vec<_> = added.filter(|value| !by_others(value)).cloned().collect();
        let removed = old.difference(new).filter(|value| !shown.contains(*value));
        let removed: Vec<_> = removed.cloned().collect();
        let found = !added.is_empty() || !removed.is_empty();
        let (object, path) = (self.object, path.clone());
        if !added.is_empty() {
            let (values, path) = (added, path.clone());
            tx.push(Op::SetRemove {
                object,
                path,
                values,
            })?;
        }
        if !removed.is_empty() {
            let values = removed;
            tx.push(Op::SetAdd {
                object,
                path,
                values,
            })?;
        }
        Ok(found)
    }
}

/// Puts a value into nested maps.
fn put(map: &mut Map, path: &[Key], value: Option<Value>) {
    match (path, value) {
        ([last], Some(value)) => drop(map.insert(last.clone(), value)),
        ([first, rest @ ..], value) => {
            if let Some(Value::Map(inner)) = map.get_mut(first) {
                put(inner, rest, value);
            }
        }
        _ => {}
    }
}
