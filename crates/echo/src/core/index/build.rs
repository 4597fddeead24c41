//! Building indexes, a few objects at a time.

use std::ops::ControlFlow;

use dxos_document::TypeName;
use dxos_keys::ObjectId;
use dxos_protocol::echo::{EchoError, IndexReport};
use dxos_schema::TypeSchema;
use dxos_store::{Batch, Direction, KeyRange, Read};

use super::super::cache;
use super::super::layout::{INDEX, in_space};
use super::super::space::{Space, store_failed};
use super::Indexes;
use super::catalog::{Build, Kind, Wanted, all_texts};
use super::rows::{TYPE, declared_name, section, text_entry};

/// Objects that one step looks at.
const OBJECTS_MAX: usize = if cfg!(test) { 3 } else { 512 };
/// Bytes of rows that one step writes, and those of one object beyond.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Rows that one step removes.
const ROWS_MAX: usize = if cfg!(test) { 5 } else { 4096 };
/// Schemas that are asked what they declare.
const SCHEMAS_MAX: usize = 4096;

impl Indexes {
    fn has_urgent_work(&self) -> bool {
        let catalog = &self.catalog;
        self.schemas_changed
            || catalog.clear_all
            || catalog.is_incomplete()
            || !catalog.dropped.is_empty()
    }

    fn has_work(&self) -> bool {
        let words = &self.words;
        self.has_urgent_work() || !words.behind.is_empty() || words.frequent.is_changed()
    }
}

impl Space {
    /// Whether [`Space::build_indexes`] has something to do.
    pub(crate) fn has_index_work(&self) -> bool {
        !self.stale && self.indexes.has_work()
    }

    /// Whether something of it gains nothing by waiting: words that are typed do, as more of them
    /// are put right at once.
    pub(crate) fn has_urgent_index_work(&self) -> bool {
        self.has_index_work() && self.indexes.has_urgent_work()
    }

    /// Does a part of what is to be done for the indexes. Returns what the caller commits; to be
    /// called again as long as [`Space::has_index_work`].
    pub(crate) fn build_indexes(&mut self, store: &dyn Read) -> Result<Batch, EchoError> {
        let mut batch = Batch::new();
        if !self.has_index_work() {
            return Ok(batch);
        }
        let catalog = &self.indexes.catalog;
        if catalog.clear_all {
            if self.clear_rows(&[], store, &mut batch)? {
                self.indexes.catalog.clear_all = false;
                self.indexes.is_stored = false;
            }
        } else if catalog.is_incomplete() && !self.indexes.words.behind.is_empty() {
            // The walk would write rows of a state that nobody would know of later.
            self.settle_words(store, &mut batch)?;
        } else if catalog.is_incomplete() {
            self.build_part(store, &mut batch)?;
        } else if self.indexes.schemas_changed {
            let wanted = self.declared(store)?;
            if self.indexes.catalog.declare(wanted) {
                self.indexes.typed.clear();
                self.indexes.is_stored = false;
                let indexes = &mut self.indexes;
                indexes.words.retain(&indexes.catalog);
            }
            self.indexes.schemas_changed = false;
        } else if let Some(dropped) = catalog.dropped.last().copied() {
            if self.clear_rows(&dropped.0.to_be_bytes(), store, &mut batch)? {
                self.indexes.catalog.dropped.pop();
                self.indexes.is_stored = false;
            }
        } else {
            self.settle_words(store, &mut batch)?;
        }
        self.flush(&mut batch)?;
        Ok(batch)
    }

    /// Removes rows that begin so; whether these were the last.
    fn clear_rows(
        &self,
        prefix: &[u8],
        store: &dyn Read,
        batch: &mut Batch,
    ) -> Result<bool, EchoError> {
        let range = KeyRange::prefix(&in_space(self.record.number, prefix));
        let mut removed = 0;
        let rows = store.scan(INDEX, range, Direction::Forward);
        for row in rows.take(ROWS_MAX) {
            let (key, _) = row.map_err(|error| store_failed(&error))?;
            batch.delete(INDEX, key);
            removed += 1;
        }
        Ok(removed < ROWS_MAX)
    }

    fn build_part(&mut self, store: &dyn Read, batch: &mut Batch) -> Result<(), EchoError> {
        let mut build = self.indexes.catalog.build.unwrap_or_default();
        let number = self.record.number;
        let (mut looked_at, mut is_part) = (0, false);
        let indexes = &mut self.indexes;
        let nothing = Vec::new();
        let visited = cache::visit_after(store, number, build.after, &mut |id, state| {
            Indexes::put(number, &nothing, &indexes.rows(id, &state), batch);
            indexes.build_words(number, id, &state, batch);
            build = Build {
                after: Some(id),
                done: build.done + 1,
            };
            looked_at += 1;
            is_part = looked_at >= OBJECTS_MAX || batch.bytes() >= BYTES_MAX;
            if is_part {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        visited.map_err(|error| store_failed(&error))?;
        if is_part {
            self.indexes.catalog.build = Some(build);
        } else {
            self.indexes.catalog.complete();
            tracing::info!(space = %self.key().short(), objects = build.done, "indexes are built");
        }
        self.indexes.is_stored = false;
        Ok(())
    }

    /// What the schemas of the space declare.
    fn declared(&self, store: &dyn Read) -> Result<Wanted, EchoError> {
        let mut row = section(TYPE, false);
        let schema = TypeName::from(TypeSchema::TYPE);
        row.extend_from_slice(&text_entry(&[schema.base()]));
        let prefix = in_space(self.record.number, &row);
        let mut found = Wanted::new();
        let rows = store.scan(INDEX, KeyRange::prefix(&prefix), Direction::Forward);
        for row in rows.take(SCHEMAS_MAX) {
            let (key, _) = row.map_err(|error| store_failed(&error))?;
            let Some(id) = key.get(prefix.len()..).and_then(ObjectId::from_slice) else {
                continue;
            };
            let Some(object) = self.object(&id, store)? else {
                continue;
            };
            let Ok(schema) = TypeSchema::read(&object) else {
                continue;
            };
            let base = schema.type_name().base().to_owned();
            let mut add = |path, kind| found.insert((base.clone(), path, kind));
            for path in schema.indexes() {
                add(path, Kind::Order);
            }
            for path in schema.text_indexes() {
                add(path, Kind::Words);
            }
            if schema.indexes_all_texts() {
                add(all_texts(), Kind::Words);
            }
        }
        Ok(found)
    }

    /// The indexes of the space, and how far they are.
    pub(crate) fn index_reports(&self) -> Vec<IndexReport> {
        let catalog = &self.indexes.catalog;
        let done = catalog.build.map_or(0, |build| build.done);
        let report = |name: String, is_ready: bool| IndexReport {
            name,
            is_ready,
            done: if is_ready { self.tally.objects } else { done },
            objects: self.tally.objects,
        };
        let base = report(
            "type, times, tags, keys, references".to_owned(),
            catalog.base_ready,
        );
        let declared = catalog.all().map(|(declared, kind)| {
            let name = declared_name(&declared.type_base, &declared.path, kind);
            report(name, declared.is_ready)
        });
        std::iter::once(base).chain(declared).collect()
    }
}
