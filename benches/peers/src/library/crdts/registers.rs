//! Objects of crdts as a map of last-writer-wins registers: the one that is faster there, and
//! that knows no conflicts and no deletions.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context as _, Result};
use crdts::{CmRDT as _, LWWReg};
use serde::{Deserialize, Serialize};

use crate::objects::{Item, Objects, id, tags, title};

type Marker = (u64, u8);

#[derive(Clone, Serialize, Deserialize)]
struct Object {
    title: LWWReg<String, Marker>,
    done: LWWReg<bool, Marker>,
    tags: LWWReg<Vec<String>, Marker>,
}

#[derive(Serialize, Deserialize)]
enum Op {
    Done(String, LWWReg<bool, Marker>),
    Title(String, LWWReg<String, Marker>),
}

/// Registers by the id of their object.
#[derive(Default, Serialize, Deserialize)]
pub struct Registers {
    objects: BTreeMap<String, Object>,
    clock: u64,
    #[serde(skip)]
    agent: u8,
    #[serde(skip)]
    log: Vec<Op>,
}

impl Registers {
    fn marker(&mut self) -> Marker {
        self.clock += 1;
        (self.clock, self.agent)
    }

    fn apply(&mut self, op: Op) -> Result<()> {
        match op {
            Op::Done(id, done) => {
                self.clock = self.clock.max(done.marker.0);
                self.objects
                    .get_mut(&id)
                    .context("no object")?
                    .done
                    .apply(done);
            }
            Op::Title(id, title) => {
                self.clock = self.clock.max(title.marker.0);
                self.objects
                    .get_mut(&id)
                    .context("no object")?
                    .title
                    .apply(title);
            }
        }
        Ok(())
    }
}

impl Objects for Registers {
    fn new(agent: u8) -> Result<Self> {
        Ok(Self {
            agent,
            ..Self::default()
        })
    }

    fn create(&mut self, numbers: Range<usize>) -> Result<()> {
        let marker = self.marker();
        for number in numbers {
            let object = Object {
                title: LWWReg {
                    val: title(number),
                    marker,
                },
                done: LWWReg { val: false, marker },
                tags: LWWReg {
                    val: tags(number).to_vec(),
                    marker,
                },
            };
            self.objects.insert(id(number), object);
        }
        Ok(())
    }

    fn finish(&mut self, numbers: Range<usize>) -> Result<()> {
        let marker = self.marker();
        for number in numbers {
            self.apply(Op::Done(id(number), LWWReg { val: true, marker }))?;
        }
        Ok(())
    }

    fn rename(&mut self, number: usize, title: &str) -> Result<()> {
        let marker = self.marker();
        let title = LWWReg {
            val: title.to_owned(),
            marker,
        };
        self.log.push(Op::Title(id(number), title.clone()));
        self.apply(Op::Title(id(number), title))
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        Ok(postcard::to_stdvec(self)?)
    }

    fn load(bytes: &[u8], agent: u8) -> Result<Self> {
        Ok(Self {
            agent,
            ..postcard::from_bytes(bytes)?
        })
    }

    fn read(&self, each: &mut dyn FnMut(Item<'_>)) -> Result<()> {
        for object in self.objects.values() {
            each(Item {
                title: &object.title.val,
                done: object.done.val,
                tags: object.tags.val.len(),
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
                replica.apply(op)?;
            }
        }
        Ok(sent.len() + answer.len())
    }
}
