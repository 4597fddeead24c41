//! Branches of a writer that puts rubbish where signatures of inner blocks belong.

use bytes::Bytes;
use dxos_credentials::Role;
use dxos_feed::{Block, Header, Run};
use dxos_keys::{BlockHash, FeedId, Signature};
use dxos_protocol::halo::Authority;
use dxos_protocol::replicate::Message;

use super::{Net, authority, task};

/// A block behind another one of a feed, signed or with rubbish for a signature, and its hash.
fn block(
    feed: FeedId,
    place: (u64, BlockHash, u64),
    time_ms: u64,
    is_signed: bool,
) -> (BlockHash, Block) {
    block_of(
        &authority(2),
        feed,
        place,
        (time_ms, Bytes::new()),
        is_signed,
    )
}

/// The same with a body, of any writer.
pub(super) fn block_of(
    writer: &Authority,
    feed: FeedId,
    (seq, prev, lamport): (u64, BlockHash, u64),
    (time_ms, body): (u64, Bytes),
    is_signed: bool,
) -> (BlockHash, Block) {
    let header = Header {
        feed,
        seq,
        prev,
        lamport,
        time_ms,
        deps: Vec::new(),
        body_hash: dxos_keys::BodyHash::from_bytes([0; 32]),
        body_bytes: 0,
    };
    let (hash, mut block) = header.sign(&*writer.signer, |_| body);
    if is_signed {
        return (hash, block);
    }
    block.signature = Some(Signature::from_bytes([7; 64]));
    (hash, block)
}

#[test]
fn what_others_built_on_a_block_that_only_a_later_one_vouches_for_reaches_newcomers() {
    let mut net = Net::of(1, &[Role::Editor]);
    net.connect(0, 1);
    net.edit(1, task(1, 1));
    net.settle();
    let feeds = net.replicas[1].space.dag.feeds();
    let data = feeds.filter(|(_, state)| {
        state.descriptor.device == authority(2).signer.device()
            && state.descriptor.designation == dxos_feed::Designation::Data
    });
    let (feed, first) = data
        .map(|(feed, state)| (*feed, state.clone()))
        .next()
        .unwrap();
    let at = |seq, hash, more| (seq, hash, first.lamport + more);
    let send = |net: &mut Net, first, blocks| {
        let run = Run {
            feed,
            first,
            blocks,
        };
        net.deliver(1, 0, Message::Run(run));
    };
    let (rubbish, one) = block(feed, at(1, first.head, 1), 1, false);
    let (_, two) = block(feed, at(2, rubbish, 2), 1, true);
    send(&mut net, 1, vec![one, two]);
    // A fork behind the rubbish: its proof alone vouches for it, and somebody builds on it.
    let (_, other_two) = block(feed, at(2, rubbish, 2), 2, true);
    send(&mut net, 2, vec![other_two]);
    assert_eq!(net.replicas[0].space.dag.feed(&feed).unwrap().head, rubbish);
    net.edit(0, task(50, 1));
    // And one before it, so that it stands on a branch.
    let (_, other_one) = block(feed, at(1, first.head, 1), 2, true);
    send(&mut net, 1, vec![other_one]);
    assert_eq!(
        net.replicas[0].space.dag.feed(&feed).unwrap().head,
        first.head
    );
    net.disconnect(0, 1);
    let new = net.join(0, Role::Editor);
    net.connect(0, new);
    net.settle();
    net.assert_same(&[0, new]);
    assert!(net.replicas[new].has(50));
}
