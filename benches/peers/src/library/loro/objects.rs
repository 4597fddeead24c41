//! Objects of loro: maps in a map; tags are one value.

use std::ops::Range;

use anyhow::{Result, bail};
use loro::{Container, ExportMode, LoroDoc, LoroMap, LoroValue, ValueOrContainer, VersionVector};

use crate::objects::{Item, Objects, id, tags, title};

/// A document of loro.
pub struct Loro {
    doc: LoroDoc,
    objects: LoroMap,
}

impl Loro {
    fn over(doc: LoroDoc, agent: u8) -> Result<Self> {
        doc.set_peer_id(u64::from(agent))?;
        let objects = doc.get_map("objects");
        Ok(Self { doc, objects })
    }

    fn object(&self, number: usize) -> Result<LoroMap> {
        match self.objects.get(&id(number)) {
            Some(ValueOrContainer::Container(Container::Map(object))) => Ok(object),
            other => bail!("no object: {other:?}"),
        }
    }
}

impl Objects for Loro {
    fn new(agent: u8) -> Result<Self> {
        Self::over(LoroDoc::new(), agent)
    }

    fn create(&mut self, numbers: Range<usize>) -> Result<()> {
        for number in numbers {
            let object = self.objects.insert_container(&id(number), LoroMap::new())?;
            object.insert("title", title(number))?;
            object.insert("done", false)?;
            let tags: Vec<LoroValue> = tags(number).into_iter().map(LoroValue::from).collect();
            object.insert("tags", tags)?;
        }
        self.doc.commit();
        Ok(())
    }

    fn finish(&mut self, numbers: Range<usize>) -> Result<()> {
        for number in numbers {
            self.object(number)?.insert("done", true)?;
        }
        self.doc.commit();
        Ok(())
    }

    fn rename(&mut self, number: usize, title: &str) -> Result<()> {
        self.object(number)?.insert("title", title)?;
        self.doc.commit();
        Ok(())
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        Ok(self.doc.export(ExportMode::Snapshot)?)
    }

    fn load(bytes: &[u8], agent: u8) -> Result<Self> {
        Self::over(LoroDoc::from_snapshot(bytes)?, agent)
    }

    fn read(&self, each: &mut dyn FnMut(Item<'_>)) -> Result<()> {
        let LoroValue::Map(objects) = self.objects.get_deep_value() else {
            bail!("no map")
        };
        for object in objects.values() {
            let LoroValue::Map(object) = object else {
                bail!("no object")
            };
            let found = ["title", "done", "tags"].map(|key| object.get(key));
            let [
                Some(LoroValue::String(title)),
                Some(LoroValue::Bool(done)),
                Some(LoroValue::List(tags)),
            ] = found
            else {
                bail!("no such properties")
            };
            each(Item {
                title,
                done: *done,
                tags: tags.len(),
            });
        }
        Ok(())
    }

    fn sync(&mut self, other: &mut Self) -> Result<usize> {
        let here = self.doc.oplog_vv().encode();
        let there = other.doc.oplog_vv().encode();
        let mut bytes = here.len() + there.len();
        for (from, to, known) in [(&*self, &*other, &there), (&*other, &*self, &here)] {
            let known = VersionVector::decode(known)?;
            let update = from.doc.export(ExportMode::updates(&known))?;
            bytes += update.len();
            to.doc.import(&update)?;
        }
        Ok(bytes)
    }
}
