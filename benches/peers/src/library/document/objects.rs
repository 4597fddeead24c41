//! Objects with properties; tags are one value.

use std::ops::Range;

use anyhow::{Context as _, Result, bail};
use dxos_document::{Op, Value};

use super::replica::{Replica, join, object, split};
use crate::objects::{Item, Objects, tags, title};

/// A replica with objects.
pub struct Document {
    replica: Replica,
}

impl Objects for Document {
    fn new(agent: u8) -> Result<Self> {
        Ok(Self {
            replica: Replica::new(agent),
        })
    }

    fn create(&mut self, numbers: Range<usize>) -> Result<()> {
        self.replica.transact(|tx| {
            for number in numbers {
                let tags = tags(number).into_iter().map(Value::from).collect();
                let properties = [
                    ("title".into(), title(number).into()),
                    ("done".into(), false.into()),
                    ("tags".into(), Value::List(tags)),
                ];
                tx.push(Op::Create {
                    object: object(number),
                    type_name: "task".into(),
                    properties: properties.into(),
                })?;
            }
            Ok(())
        })
    }

    fn finish(&mut self, mut numbers: Range<usize>) -> Result<()> {
        self.replica
            .transact(|tx| numbers.try_for_each(|number| tx.set(object(number), "done", true)))
    }

    fn rename(&mut self, number: usize, title: &str) -> Result<()> {
        self.replica
            .transact(|tx| tx.set(object(number), "title", title))
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        self.replica.save()
    }

    fn load(bytes: &[u8], agent: u8) -> Result<Self> {
        let mut replica = Replica::load(bytes, agent)?;
        replica.log = Some(Vec::new());
        Ok(Self { replica })
    }

    fn read(&self, each: &mut dyn FnMut(Item<'_>)) -> Result<()> {
        for (id, state) in &self.replica.memory.0 {
            let object = state.object(*id).context("no object")?;
            let found = ["title", "done", "tags"].map(|key| object.get(key));
            let [
                Some(Value::String(title)),
                Some(Value::Bool(done)),
                Some(Value::List(tags)),
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
        let take = |replica: &mut Replica| join(&replica.log.take().unwrap_or_default());
        let (sent, answer) = (take(&mut self.replica)?, take(&mut other.replica)?);
        other.replica.receive(&split(&sent)?)?;
        self.replica.receive(&split(&answer)?)?;
        Ok(sent.len() + answer.len())
    }
}
