//! Appending and opening again.

use bytes::Bytes;

use super::support::*;
use crate::*;

fn append(replica: &mut Replica, feed: &Writer, signer: &Writer, body: usize) -> AppendError {
    let append = Append {
        feed: feed.feed,
        time_ms: 0,
        signer: &signer.secret,
    };
    let before = replica.dag.feed(&feed.feed).cloned();
    let error = replica
        .dag
        .append(append, |_| vec![0; body].into())
        .unwrap_err();
    assert_eq!(replica.dag.feed(&feed.feed).cloned(), before);
    error
}

#[test]
fn what_cannot_be_appended_is_refused_and_changes_nothing() {
    let all = writers(3);
    let mut replica = Replica::new(&all[..2]);
    replica.append(&all[0], b"first");
    let max = FeedLimits::default().body_bytes_max;
    let feed = all[0].feed;
    assert_eq!(
        append(&mut replica, &all[0], &all[0], max + 1),
        AppendError::BodyTooLarge {
            found: max + 1,
            max
        }
    );
    assert_eq!(
        append(&mut replica, &all[0], &all[1], 1),
        AppendError::OtherDevice { feed }
    );
    assert_eq!(
        append(&mut replica, &all[2], &all[2], 1),
        AppendError::Unknown { feed: all[2].feed }
    );
    let mut other = Replica::new(&all[..2]);
    other.append(&all[0], b"another first");
    let Err(InsertError::Fork(proof)) = replica.insert(other.all(&all[0])) else {
        panic!("a fork")
    };
    replica.cut(&proof);
    assert_eq!(
        append(&mut replica, &all[0], &all[0], 1),
        AppendError::Forked { feed }
    );
}

#[test]
fn feeds_of_other_spaces_and_too_many_are_refused() {
    let limits = FeedLimits {
        feeds_max: 2,
        ..FeedLimits::default()
    };
    let all = writers(3);
    let mut dag = Replica::with_limits(&all[..2], limits).dag;
    assert_eq!(dag.register(all[0].descriptor), Ok(false));
    assert_eq!(
        dag.register(all[2].descriptor),
        Err(RegisterError::TooMany { max: 2 })
    );
    let elsewhere = FeedDescriptor {
        space: dxos_keys::SpaceKey::from_bytes([8; 32]),
        ..all[0].descriptor
    };
    let feed = elsewhere.id();
    assert_eq!(
        dag.register(elsewhere),
        Err(RegisterError::OtherSpace { feed })
    );
}

#[test]
fn more_deps_than_allowed_are_named_by_later_blocks() {
    let limits = FeedLimits {
        deps_max: 2,
        ..FeedLimits::default()
    };
    let all = writers(5);
    let mut replica = Replica::with_limits(&all, limits);
    for writer in &all[1..] {
        replica.append(writer, b"b");
    }
    let mut reader = Replica::with_limits(&all, limits);
    reader.pull(&replica);
    let lengths: Vec<_> = (0..3)
        .map(|_| replica.append(&all[0], b"a").deps.len())
        .collect();
    assert_eq!(lengths, [2, 2, 0]);
    settle(&mut [replica, reader]);
}

#[test]
fn a_body_is_bound_to_its_place() {
    let all = writers(2);
    let mut replica = Replica::new(&all);
    let mut contexts = Vec::new();
    for writer in [&all[0], &all[0], &all[1]] {
        let append = Append {
            feed: writer.feed,
            time_ms: 1,
            signer: &writer.secret,
        };
        let (seq, prev) = {
            let state = replica.dag.feed(&writer.feed).unwrap();
            (state.length, state.head)
        };
        let mut context = None;
        let block = replica
            .dag
            .append(append, |given| {
                context = Some(given);
                Bytes::new()
            })
            .unwrap();
        let header = block.header(writer.feed, seq, prev);
        assert_eq!(Some(header.sealing_context()), context);
        contexts.push(context.unwrap().as_bytes().to_vec());
    }
    contexts.sort_unstable();
    contexts.dedup();
    assert_eq!(contexts.len(), 3);
}

#[test]
fn a_replica_opened_again_goes_on_like_the_original() {
    let all = writers(3);
    let mut original = Replica::new(&all);
    for writer in all.iter().cycle().take(9) {
        original.append(writer, b"x");
    }
    let (fork, _) = all[2].chain(&START, &[b"y"], |_| true);
    let Err(InsertError::Fork(proof)) = original.insert(run(&all[2], 0, &fork)) else {
        panic!("a fork")
    };
    original.cut(&proof);

    let stored: Vec<_> = original
        .dag
        .feeds()
        .map(|(_, state)| postcard::to_stdvec(state).unwrap())
        .map(|bytes| postcard::from_bytes::<FeedState>(&bytes).unwrap())
        .collect();
    let mut opened = original.clone();
    opened.dag = Dag::open(SPACE, FeedLimits::default(), stored);
    for replica in [&mut original, &mut opened] {
        replica.append(&all[0], b"after");
    }
    assert_eq!(original.log, opened.log);
    assert!(original.dag.feeds().eq(opened.dag.feeds()));
    assert_eq!(original.dag.timeframe(), opened.dag.timeframe());
    let again = run(&all[2], 0, &fork);
    assert_eq!(original.insert(again.clone()), opened.insert(again));
    let forged = run(&all[1], 3, &all[1].chain(&START, &[b"z"], |_| true).0);
    assert_eq!(original.insert(forged.clone()), opened.insert(forged));
}
