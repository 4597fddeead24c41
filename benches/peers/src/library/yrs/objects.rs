//! Objects of yrs: maps in a map; tags are one value.

use std::ops::Range;

use anyhow::{Result, bail};
use yrs::updates::decoder::Decode as _;
use yrs::updates::encoder::Encode as _;
use yrs::{
    Any, Doc, In, Map as _, MapPrelim, MapRef, Out, ReadTxn as _, StateVector, Transact as _,
    TransactionMut, Update,
};

use crate::objects::{Item, Objects, id, tags, title};

/// A document of yrs.
pub struct Yrs {
    doc: Doc,
    objects: MapRef,
}

fn object(objects: &MapRef, txn: &TransactionMut<'_>, number: usize) -> Result<MapRef> {
    match objects.get(txn, &id(number)) {
        Some(Out::YMap(object)) => Ok(object),
        other => bail!("no object: {other:?}"),
    }
}

impl Objects for Yrs {
    fn new(agent: u8) -> Result<Self> {
        let doc = Doc::with_client_id(u64::from(agent));
        let objects = doc.get_or_insert_map("objects");
        Ok(Self { doc, objects })
    }

    fn create(&mut self, numbers: Range<usize>) -> Result<()> {
        let mut txn = self.doc.transact_mut();
        for number in numbers {
            let tags: Vec<Any> = tags(number).into_iter().map(Any::from).collect();
            let object = MapPrelim::from([
                ("title", In::Any(Any::from(title(number)))),
                ("done", In::Any(Any::from(false))),
                ("tags", In::Any(Any::Array(tags.into()))),
            ]);
            self.objects.insert(&mut txn, id(number), object);
        }
        Ok(())
    }

    fn finish(&mut self, numbers: Range<usize>) -> Result<()> {
        let mut txn = self.doc.transact_mut();
        for number in numbers {
            object(&self.objects, &txn, number)?.insert(&mut txn, "done", true);
        }
        Ok(())
    }

    fn rename(&mut self, number: usize, title: &str) -> Result<()> {
        let mut txn = self.doc.transact_mut();
        object(&self.objects, &txn, number)?.insert(&mut txn, "title", title);
        Ok(())
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        let nothing = StateVector::default();
        Ok(self.doc.transact().encode_state_as_update_v1(&nothing))
    }

    fn load(bytes: &[u8], agent: u8) -> Result<Self> {
        let loaded = Self::new(agent)?;
        loaded
            .doc
            .transact_mut()
            .apply_update(Update::decode_v1(bytes)?)?;
        Ok(loaded)
    }

    fn read(&self, each: &mut dyn FnMut(Item<'_>)) -> Result<()> {
        let txn = self.doc.transact();
        for (_, object) in self.objects.iter(&txn) {
            let Out::YMap(object) = object else {
                bail!("no object")
            };
            let found = ["title", "done", "tags"].map(|key| object.get(&txn, key));
            let [
                Some(Out::Any(Any::String(title))),
                Some(Out::Any(Any::Bool(done))),
                Some(Out::Any(Any::Array(tags))),
            ] = found
            else {
                bail!("no such properties")
            };
            each(Item {
                title: &title,
                done,
                tags: tags.len(),
            });
        }
        Ok(())
    }

    fn sync(&mut self, other: &mut Self) -> Result<usize> {
        let here = self.doc.transact().state_vector().encode_v1();
        let there = other.doc.transact().state_vector().encode_v1();
        let mut bytes = here.len() + there.len();
        for (from, to, known) in [(&*self, &*other, &there), (&*other, &*self, &here)] {
            let known = StateVector::decode_v1(known)?;
            let update = from.doc.transact().encode_diff_v1(&known);
            bytes += update.len();
            to.doc
                .transact_mut()
                .apply_update(Update::decode_v1(&update)?)?;
        }
        Ok(bytes)
    }
}
