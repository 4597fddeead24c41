//! Objects of automerge: maps in a map.

use std::ops::Range;

use anyhow::{Context as _, Result};
use automerge::sync::{State, SyncDoc as _};
use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{AutoCommit, ObjId, ObjType, ROOT, ReadDoc as _};

use super::actor;
use crate::objects::{Item, Objects, id, tags, title};

/// A document of automerge.
pub struct Automerge {
    doc: AutoCommit,
    objects: ObjId,
}

impl Automerge {
    fn object(&self, number: usize) -> Result<ObjId> {
        let (_, object) = self
            .doc
            .get(&self.objects, id(number))?
            .context("no object")?;
        Ok(object)
    }
}

impl Objects for Automerge {
    fn new(agent: u8) -> Result<Self> {
        let mut doc = AutoCommit::new().with_actor(actor(agent));
        let objects = doc.put_object(ROOT, "objects", ObjType::Map)?;
        doc.commit_with(CommitOptions::default().with_time(0));
        Ok(Self { doc, objects })
    }

    fn create(&mut self, numbers: Range<usize>) -> Result<()> {
        for number in numbers {
            let object = self
                .doc
                .put_object(&self.objects, id(number), ObjType::Map)?;
            self.doc.put(&object, "title", title(number))?;
            self.doc.put(&object, "done", false)?;
            let list = self.doc.put_object(&object, "tags", ObjType::List)?;
            for (index, tag) in tags(number).into_iter().enumerate() {
                self.doc.insert(&list, index, tag)?;
            }
        }
        self.doc.commit();
        Ok(())
    }

    fn finish(&mut self, numbers: Range<usize>) -> Result<()> {
        for number in numbers {
            let object = self.object(number)?;
            self.doc.put(&object, "done", true)?;
        }
        self.doc.commit();
        Ok(())
    }

    fn rename(&mut self, number: usize, title: &str) -> Result<()> {
        let object = self.object(number)?;
        self.doc.put(&object, "title", title)?;
        self.doc.commit();
        Ok(())
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        Ok(self.doc.save())
    }

    fn load(bytes: &[u8], agent: u8) -> Result<Self> {
        let doc = AutoCommit::load(bytes)?.with_actor(actor(agent));
        let (_, objects) = doc.get(ROOT, "objects")?.context("no objects")?;
        Ok(Self { doc, objects })
    }

    fn read(&self, each: &mut dyn FnMut(Item<'_>)) -> Result<()> {
        for key in self.doc.keys(&self.objects) {
            let (_, object) = self.doc.get(&self.objects, key)?.context("no object")?;
            let (title, _) = self.doc.get(&object, "title")?.context("no title")?;
            let (done, _) = self.doc.get(&object, "done")?.context("no done")?;
            let (_, list) = self.doc.get(&object, "tags")?.context("no tags")?;
            let tags = self
                .doc
                .values(&list)
                .filter(|(value, _)| value.is_str())
                .count();
            each(Item {
                title: title.as_str().context("no string")?,
                done: done.as_bool().context("no bool")?,
                tags,
            });
        }
        Ok(())
    }

    /// By its synchronisation protocol.
    fn sync(&mut self, other: &mut Self) -> Result<usize> {
        let (mut here, mut there) = (State::new(), State::new());
        let mut bytes = 0;
        loop {
            let sent = self.doc.sync().generate_sync_message(&mut here);
            let quiet = sent.is_none();
            if let Some(message) = sent {
                bytes += message.clone().encode().len();
                other.doc.sync().receive_sync_message(&mut there, message)?;
            }
            let answer = other.doc.sync().generate_sync_message(&mut there);
            if let Some(message) = answer {
                bytes += message.clone().encode().len();
                self.doc.sync().receive_sync_message(&mut here, message)?;
            } else if quiet {
                return Ok(bytes);
            }
        }
    }
}
