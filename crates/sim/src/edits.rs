//! What peers write.

use dxos_client::{
    ClientError, Database, Durability, ObjectId, ObjectRef, TextContent, Transaction,
    TransactionError, Tx, TxError, Value,
};
use dxos_protocol::echo::EchoError;

use crate::draw::Draw;
use crate::log::LOG;
use crate::peer::Mark;
use crate::{Violation, What, World};

const TYPES: &[&str] = &["task", "note", "example.com/type/Person@1.0"];
const WORDS: &[&str] = &["salt", "bread", "river", "lamp", "stone", "wind", "ink"];
const TAGS: &[&str] = &["red", "green", "blue", "new", "old"];

/// A transaction that is to be written.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) transaction: Transaction,
    /// What is done to texts and lists after that.
    pub(crate) touches: Vec<Touch>,
    pub(crate) durability: Durability,
    pub(crate) marks: Vec<Mark>,
    pub(crate) created: Vec<ObjectId>,
}

/// An edit of a text or a list, where there is one: positions are taken as far as they go.
#[derive(Clone, Debug)]
pub(crate) enum Touch {
    Splice {
        object: ObjectId,
        at: usize,
        delete: usize,
        insert: String,
    },
    Insert {
        object: ObjectId,
        at: usize,
        value: i64,
    },
    Move {
        object: ObjectId,
        from: usize,
        to: usize,
    },
    Delete {
        object: ObjectId,
        at: usize,
    },
}

impl Touch {
    fn draw(object: ObjectId, draw: &mut Draw) -> Self {
        let mut number = |end| usize::try_from(draw.below(end)).unwrap_or(0);
        let (kind, at, to, delete) = (number(6), number(6000), number(100), number(4));
        match kind {
            0 => Self::Insert {
                object,
                at,
                value: draw.small(),
            },
            1 => Self::Move {
                object,
                from: at,
                to,
            },
            2 => Self::Delete { object, at },
            _ => Self::Splice {
                object,
                at,
                delete,
                insert: word(draw),
            },
        }
    }

    fn apply(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        let object = match self {
            Self::Splice {
                object,
                at,
                delete,
                insert,
            } => {
                let Ok(mut body) = tx.text(*object, "body") else {
                    return Ok(());
                };
                let at = at % (body.len() + 1);
                let delete = (*delete).min(body.len() - at);
                return body.splice(at, delete, insert);
            }
            Self::Insert { object, .. }
            | Self::Move { object, .. }
            | Self::Delete { object, .. } => *object,
        };
        let Ok(mut steps) = tx.list(object, "steps") else {
            return Ok(());
        };
        let len = steps.len()?;
        match self {
            Self::Insert { at, value, .. } => steps.insert(at % (len + 1), [*value]),
            Self::Move { from, to, .. } if len > 0 => steps.move_item(from % len, to % len),
            Self::Delete { at, .. } if len > 0 => steps.delete(at % len, 1),
            _ => Ok(()),
        }
    }
}

/// The code of an edit's transaction. It logs the numbers of the edits in a queue, too.
pub(crate) fn work(
    transaction: Transaction,
    touches: Vec<Touch>,
    marks: &[Mark],
) -> impl FnOnce(&mut Tx<'_>) -> Result<(), TxError> + Send + 'static {
    let numbers: Vec<Value> = marks.iter().map(|mark| Value::Int(mark.number)).collect();
    move |tx| {
        tx.append(LOG, numbers)?;
        transaction.ops.into_iter().try_for_each(|op| tx.push(op))?;
        touches.iter().try_for_each(|touch| touch.apply(tx))
    }
}

impl World {
    /// Draws an edit of what a peer sees.
    pub(crate) async fn draw_edit(
        &mut self,
        index: usize,
        db: &Database,
    ) -> Result<Edit, Violation> {
        let parts = if self.draw.percent(25) {
            self.draw.between(2, 4)
        } else {
            1
        };
        let synced = self.draw.percent(30);
        let mut edit = Edit {
            transaction: Transaction::new(),
            touches: Vec::new(),
            durability: if synced {
                Durability::Synced
            } else {
                Durability::Interval
            },
            marks: Vec::new(),
            created: Vec::new(),
        };
        for _ in 0..parts {
            let chosen = self.draw.pick(&self.objects);
            let seen = match chosen {
                Some(object) if !self.draw.percent(25) => {
                    let peer = self.peer(index)?;
                    peer.see(db, object).await?.object()
                }
                _ => None,
            };
            let transaction = std::mem::take(&mut edit.transaction);
            let (object, transaction) = match seen {
                Some(seen) => {
                    let object = seen.id();
                    (object, change(transaction, object, &mut self.draw))
                }
                None => {
                    let object = db.new_id().map_err(|error| Violation::Request {
                        peer: index,
                        action: "draw an object id",
                        reason: error.to_string(),
                    })?;
                    edit.created.push(object);
                    let other = self.draw.pick(&self.objects);
                    (object, create(transaction, object, other, &mut self.draw))
                }
            };
            let number = self.next_mark;
            self.next_mark += 1;
            edit.transaction = transaction.set_add(object, "marks", [number]);
            if self.draw.percent(40) {
                edit.touches.push(Touch::draw(object, &mut self.draw));
            }
            edit.marks.push(Mark { object, number });
        }
        Ok(edit)
    }

    /// Lets a peer write something.
    pub(crate) async fn edit(&mut self, index: usize) -> Result<(), Violation> {
        let Some(db) = self.peer(index)?.database().await? else {
            return Ok(());
        };
        let edit = self.draw_edit(index, &db).await?;
        let work = work(edit.transaction.clone(), edit.touches.clone(), &edit.marks);
        let commit = db.transaction_with(edit.durability, work);
        let peer = self.peer(index)?;
        // An error is an answer here: which ones are allowed is decided below.
        let answer = async { Ok::<_, String>(commit.await) };
        let answer = peer.answered("write a transaction", answer).await?;
        match answer {
            Ok(()) => self.acknowledged(index, edit),
            Err(TransactionError::Client(ClientError::Echo(EchoError::NoContentKey {
                ..
            }))) => {
                self.counts.commits_refused += 1;
                self.tell(What::Refused, &[index]);
                Ok(())
            }
            Err(TransactionError::Client(ClientError::Echo(EchoError::Store { .. })))
                if self.peer(index)?.lacks_room() =>
            {
                self.counts.commits_full += 1;
                self.tell(What::Refused, &[index]);
                Ok(())
            }
            Err(error) => Err(Violation::Request {
                peer: index,
                action: "write a transaction",
                reason: error.to_string(),
            }),
        }
    }

    /// Remembers what was acknowledged.
    pub(crate) fn acknowledged(&mut self, index: usize, edit: Edit) -> Result<(), Violation> {
        self.counts.commits += 1;
        self.tell(What::Committed, &[index]);
        self.objects.extend(edit.created);
        let peer = self.peer_mut(index)?;
        peer.acknowledged.extend(edit.marks);
        if edit.durability == Durability::Synced {
            // A log is on the disk up to the last thing that was synced.
            peer.durable.append(&mut peer.acknowledged);
            self.counts.commits_synced += 1;
        }
        Ok(())
    }

    /// Lets a peer put everything onto its disk.
    pub(crate) async fn flush(&mut self, index: usize) -> Result<(), Violation> {
        let peer = self.peer(index)?;
        let Some(db) = peer.database().await? else {
            return Ok(());
        };
        peer.answered("flush", db.flush()).await?;
        let peer = self.peer_mut(index)?;
        peer.durable.append(&mut peer.acknowledged);
        self.counts.flushes += 1;
        self.tell(What::Flushed, &[index]);
        Ok(())
    }
}

fn word(draw: &mut Draw) -> String {
    let one = draw.pick(WORDS).unwrap_or_default();
    format!("{one} {}", draw.below(1000))
}

fn tag(draw: &mut Draw) -> &'static str {
    draw.pick(TAGS).unwrap_or_default()
}

fn create(
    transaction: Transaction,
    object: ObjectId,
    other: Option<ObjectId>,
    draw: &mut Draw,
) -> Transaction {
    let type_name = draw.pick(TYPES).unwrap_or("task");
    let mut properties: Vec<(&str, Value)> = vec![
        ("title", word(draw).into()),
        ("done", draw.percent(50).into()),
        ("hits", Value::Counter(draw.small())),
        ("tags", Value::set([tag(draw)])),
        (
            "where",
            Value::map([
                ("city", Value::from(word(draw))),
                ("floor", Value::Int(draw.small())),
            ]),
        ),
    ];
    // Some are large enough that operations are written beside them.
    let length = if draw.percent(30) { 700 } else { 3 };
    let body = word(draw).repeat(length);
    properties.push(("body", Value::Text(TextContent::new(body))));
    let steps = (0..draw.below(5)).map(|_| Value::Int(draw.small()));
    properties.push(("steps", Value::List(steps.collect())));
    if let Some(other) = other {
        properties.push(("next", Value::Reference(ObjectRef::local(other))));
    }
    transaction.create(object, type_name, properties)
}

fn change(transaction: Transaction, object: ObjectId, draw: &mut Draw) -> Transaction {
    match draw.below(14) {
        0 | 1 => transaction.set(object, "title", word(draw)),
        2 => transaction.set(object, "done", draw.percent(50)),
        3 => transaction.set(object, "where.city", word(draw)),
        4 => transaction.set(
            object,
            "where",
            Value::map([("street", Value::map([("name", word(draw))]))]),
        ),
        5 => transaction.unset(object, "where"),
        6 | 7 => transaction.increment(object, "hits", draw.small()),
        8 => transaction.set_add(object, "tags", [tag(draw), tag(draw)]),
        9 => transaction.set_remove(object, "tags", [tag(draw)]),
        10 => transaction.delete(object),
        11 => transaction.restore(object),
        12 => transaction.set(
            object,
            "where.list",
            Value::List(vec![
                Value::Int(draw.small()),
                Value::Bool(draw.percent(50)),
            ]),
        ),
        _ => transaction.set(object, "hits", Value::Counter(draw.small())),
    }
}
