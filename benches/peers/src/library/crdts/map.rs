//! Objects of crdts as maps of multi-value registers: conflicts and deletions are known.

use std::ops::Range;

use anyhow::{Context as _, Result};
use crdts::{CmRDT as _, MVReg, Map};
use serde::{Deserialize, Serialize};

use crate::objects::{Item, Objects, id, tags, title};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Value {
    Bool(bool),
    String(String),
    List(Vec<String>),
}

type Register = MVReg<Value, u8>;
type Object = Map<String, Register, u8>;
type All = Map<String, Object, u8>;
type Op = crdts::map::Op<String, Object, u8>;

/// A map of maps of registers.
pub struct MapObjects {
    objects: All,
    agent: u8,
    log: Vec<Op>,
}

impl MapObjects {
    fn assign(&mut self, id: String, key: &str, value: Value) -> Op {
        let context = self.objects.read_ctx().derive_add_ctx(self.agent);
        let op = self.objects.update(id, context, |object, context| {
            object.update(key, context, |register, context| {
                register.write(value, context)
            })
        });
        self.objects.apply(op.clone());
        op
    }
}

impl Objects for MapObjects {
    fn new(agent: u8) -> Result<Self> {
        Ok(Self {
            objects: Map::new(),
            agent,
            log: Vec::new(),
        })
    }

    fn create(&mut self, numbers: Range<usize>) -> Result<()> {
        for number in numbers {
            self.assign(id(number), "title", Value::String(title(number)));
            self.assign(id(number), "done", Value::Bool(false));
            self.assign(id(number), "tags", Value::List(tags(number).to_vec()));
        }
        Ok(())
    }

    fn finish(&mut self, numbers: Range<usize>) -> Result<()> {
        for number in numbers {
            self.assign(id(number), "done", Value::Bool(true));
        }
        Ok(())
    }

    fn rename(&mut self, number: usize, title: &str) -> Result<()> {
        let op = self.assign(id(number), "title", Value::String(title.to_owned()));
        self.log.push(op);
        Ok(())
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        Ok(postcard::to_stdvec(&self.objects)?)
    }

    fn load(bytes: &[u8], agent: u8) -> Result<Self> {
        Ok(Self {
            objects: postcard::from_bytes(bytes)?,
            agent,
            log: Vec::new(),
        })
    }

    fn read(&self, each: &mut dyn FnMut(Item<'_>)) -> Result<()> {
        for object in self.objects.values() {
            let (mut title, mut done, mut tags) = (None, None, None);
            for read in object.val.iter() {
                let (_, register) = read.val;
                // Of concurrent values any, but the same everywhere.
                match register.read().val.into_iter().max() {
                    Some(Value::String(value)) => title = Some(value),
                    Some(Value::Bool(value)) => done = Some(value),
                    Some(Value::List(value)) => tags = Some(value.len()),
                    None => {}
                }
            }
            each(Item {
                title: &title.context("no title")?,
                done: done.context("no done")?,
                tags: tags.context("no tags")?,
            });
        }
        Ok(())
    }

    /// It keeps no operations: those since the last time are kept beside it.
    fn sync(&mut self, other: &mut Self) -> Result<usize> {
        let sent = postcard::to_stdvec(&std::mem::take(&mut self.log))?;
        let answer = postcard::to_stdvec(&std::mem::take(&mut other.log))?;
        for (replica, bytes) in [(other, &sent), (self, &answer)] {
            let ops: Vec<Op> = postcard::from_bytes(bytes)?;
            for op in ops {
                replica.objects.apply(op);
            }
        }
        Ok(sent.len() + answer.len())
    }
}
