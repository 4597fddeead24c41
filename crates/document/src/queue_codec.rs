//! The binary form of operations on queues: see [`crate::transaction_codec`].

use crate::codec::{DecodeError, Decoder, Encoder};
use crate::limits::{LimitError, Limits};
use crate::{OpId, QueueOp, Retention, Stamp};

const APPEND: u8 = 1;
const RETAIN: u8 = 2;
const TRIM: u8 = 3;

const WHAT: &str = "an operation on a queue";

/// Whether operations are within bounds, each and together.
pub(crate) fn check(ops: &[QueueOp], limits: &Limits) -> Result<(), LimitError> {
    ops.iter().try_for_each(|op| op.check(limits))?;
    let items = ops.iter().map(QueueOp::items);
    limits.ops(items.fold(ops.len(), usize::saturating_add))
}

pub(crate) fn put<'a>(ops: &'a [QueueOp], to: &mut Encoder<'a>) {
    to.count(ops.len());
    for op in ops {
        match op {
            QueueOp::Append {
                queue,
                nonce,
                items,
            } => {
                to.byte(APPEND);
                to.name(queue);
                to.raw(nonce);
                to.count(items.len());
                to.values(items);
            }
            QueueOp::Retain { queue, retention } => {
                to.byte(RETAIN);
                to.name(queue);
                let Retention {
                    items_max,
                    bytes_max,
                    age_max_ms,
                } = retention;
                for bound in [items_max, bytes_max, age_max_ms] {
                    to.byte(bound.is_some().into());
                    if let Some(bound) = bound {
                        to.varint(*bound);
                    }
                }
            }
            QueueOp::Trim { queue, before } => {
                to.byte(TRIM);
                to.name(queue);
                to.varint(before.stamp.lamport);
                to.raw(before.stamp.feed.as_bytes());
                to.varint(before.stamp.seq);
                to.varint(before.index.into());
            }
        }
    }
}

/// Reads what [`put`] wrote.
pub(crate) fn get(from: &mut Decoder<'_>) -> Result<Vec<QueueOp>, DecodeError> {
    let count = from.count(WHAT)?;
    if count == 0 {
        // It would be of the version without.
        return Err(DecodeError::Malformed { what: WHAT });
    }
    let mut ops = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        ops.push(get_op(from)?);
    }
    check(&ops, from.limits)?;
    Ok(ops)
}

fn get_op(from: &mut Decoder<'_>) -> Result<QueueOp, DecodeError> {
    let kind = from.byte(WHAT)?;
    if !(APPEND..=TRIM).contains(&kind) {
        return Err(DecodeError::NewerProgram {
            what: WHAT,
            found: kind.into(),
        });
    }
    let queue = from.name(WHAT)?.as_str().to_owned();
    Ok(match kind {
        APPEND => {
            let nonce = from.array(WHAT)?;
            let count = from.count(WHAT)?;
            from.limits.ops(count)?;
            let mut items = Vec::with_capacity(count.min(1024));
            for _ in 0..count {
                items.push(from.value(from.limits.depth_max)?);
            }
            QueueOp::Append {
                queue,
                nonce,
                items,
            }
        }
        RETAIN => QueueOp::Retain {
            queue,
            retention: Retention {
                items_max: get_bound(from)?,
                bytes_max: get_bound(from)?,
                age_max_ms: get_bound(from)?,
            },
        },
        _ => QueueOp::Trim {
            queue,
            before: OpId {
                stamp: Stamp {
                    lamport: from.varint(WHAT)?,
                    feed: from.feed(WHAT)?,
                    seq: from.varint(WHAT)?,
                },
                index: u32::try_from(from.varint(WHAT)?)
                    .map_err(|_| DecodeError::Malformed { what: WHAT })?,
            },
        },
    })
}

fn get_bound(from: &mut Decoder<'_>) -> Result<Option<u64>, DecodeError> {
    match from.byte(WHAT)? {
        0 => Ok(None),
        1 => from.varint(WHAT).map(Some),
        _ => Err(DecodeError::Malformed { what: WHAT }),
    }
}
