//! What every transport must do, as checks that panic when it does not.
//!
//! ```text
//! conformance::all(|| async { Endpoints { a: endpoint(1).await, b: endpoint(2).await } }).await;
//! ```
//!
//! Each check takes two endpoints of its own, of different devices, that can reach each other.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    reason = "a failed check is a panic"
)]

mod connections;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use dxos_wire::limits::{FRAME_BYTES_MAX, STREAMS_MAX};
use dxos_wire::{Priority, StreamKind};
use tokio::join;
use tokio::time::timeout;

pub use self::connections::{
    bindings_agree_and_differ, close_reasons_arrive, closing_ends_everything,
    dropping_a_connection_closes_it, nobody_there_is_an_error, the_wrong_key_is_refused,
    two_connections_are_separate,
};
use crate::{Connection, Stream, StreamError, Transport};

/// Two endpoints that can reach each other.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// One.
    pub a: Arc<dyn Transport>,
    /// The other.
    pub b: Arc<dyn Transport>,
}

/// How long one check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs every check, each with endpoints that `make` makes for it.
pub async fn all<M, F>(make: M)
where
    M: Fn() -> F,
    F: Future<Output = Endpoints>,
{
    macro_rules! run {
        ($($check:ident),* $(,)?) => {$(
            let endpoints = make().await;
            timeout(CHECK_TIMEOUT, $check(endpoints))
                .await
                .expect(concat!("`", stringify!($check), "` takes too long"));
        )*};
    }
    run!(
        peers_are_identified,
        frames_arrive_whole_and_in_order,
        frames_up_to_the_limit_pass,
        many_streams_go_on_at_once,
        streams_in_use_are_limited,
        a_sender_waits_for_its_receiver,
        finish_and_reset_differ,
        dropping_a_sender_resets,
        dropping_a_receiver_stops_the_sender,
        a_dropped_wait_loses_nothing,
        unknown_kinds_are_skipped,
        close_reasons_arrive,
        dropping_a_connection_closes_it,
        bindings_agree_and_differ,
        the_wrong_key_is_refused,
        two_connections_are_separate,
        closing_ends_everything,
        nobody_there_is_an_error,
    );
}

/// Connects and accepts.
///
/// # Panics
///
/// When that does not work.
pub async fn connect(endpoints: &Endpoints) -> (Arc<dyn Connection>, Arc<dyn Connection>) {
    let Endpoints { a, b } = endpoints;
    let addresses = b.addresses();
    let (connected, accepted) = join!(a.connect(b.device(), &addresses), b.accept());
    (
        connected.expect("a connects to b"),
        accepted.expect("b accepts"),
    )
}

/// Opens a stream and accepts it.
async fn open(from: &dyn Connection, to: &dyn Connection, kind: StreamKind) -> (Stream, Stream) {
    let (opened, accepted) = join!(from.open(kind), to.accept());
    let (accepted_kind, accepted) = accepted.expect("the stream is accepted");
    assert_eq!(accepted_kind, kind);
    (opened.expect("the stream opens"), accepted)
}

fn frame(byte: u8, length: usize) -> Bytes {
    Bytes::from(vec![byte; length])
}

/// Both sides know the other, and who began.
pub async fn peers_are_identified(endpoints: Endpoints) {
    let (a, b) = connect(&endpoints).await;
    assert_eq!(a.peer(), endpoints.b.device());
    assert_eq!(b.peer(), endpoints.a.device());
    assert!(a.is_initiator());
    assert!(!b.is_initiator());
    assert!(a.address().is_some());
    assert!(b.address().is_some());
}

/// Frames of all sizes, empty ones too, in both directions, sent singly and together.
pub async fn frames_arrive_whole_and_in_order(endpoints: Endpoints) {
    let (a, b) = connect(&endpoints).await;
    let (mut near, mut far) = open(&*a, &*b, StreamKind::Replicate).await;
    let frames: Vec<Bytes> = (0..=255_u8)
        .map(|byte| frame(byte, usize::from(byte) * usize::from(byte) % 5000))
        .collect();
    let send = async {
        for part in frames.chunks(7) {
            near.sender.send(part[0].clone()).await.expect("sent");
            near.sender
                .send_many(part[1..].to_vec())
                .await
                .expect("sent");
        }
        near.sender.finish().await.expect("finished");
        assert_eq!(near.sender.finish().await, Err(StreamError::Finished));
        assert_eq!(
            near.sender.send(Bytes::new()).await,
            Err(StreamError::Finished)
        );
    };
    let echo = async {
        while let Some(frame) = far.receiver.receive().await.expect("received") {
            far.sender.send(frame).await.expect("echoed");
        }
        assert_eq!(far.receiver.receive().await, Ok(None));
        far.sender.delivered().await.expect("delivered");
    };
    let receive = async {
        for frame in &frames {
            assert_eq!(near.receiver.receive().await, Ok(Some(frame.clone())));
        }
        assert_eq!(near.receiver.receive_many(9).await, Ok(vec![]));
    };
    join!(send, echo, receive);
    assert!(a.stats().bytes_sent > 0);
    assert!(b.stats().bytes_received > 0);
}

/// The longest frame passes; a longer one is refused at once and harms nothing.
pub async fn frames_up_to_the_limit_pass(endpoints: Endpoints) {
    let (a, b) = connect(&endpoints).await;
    let (mut near, mut far) = open(&*a, &*b, StreamKind::Replicate).await;
    let send = async {
        let long = StreamError::FrameTooLong {
            found: FRAME_BYTES_MAX + 1,
        };
        assert_eq!(
            near.sender
                .send_many(vec![frame(0, 1), frame(0, FRAME_BYTES_MAX + 1)])
                .await,
            Err(long)
        );
        for byte in 1..4 {
            (near.sender.send(frame(byte, FRAME_BYTES_MAX)).await).expect("sent");
        }
        near.sender.finish().await.expect("finished");
    };
    let receive = async {
        for byte in 1..4 {
            let received = far.receiver.receive().await.expect("received");
            assert!(received == Some(frame(byte, FRAME_BYTES_MAX)));
        }
        assert_eq!(far.receiver.receive().await, Ok(None));
    };
    join!(send, receive);
}

/// As many streams as are allowed, from both sides, all kinds, used in turns.
pub async fn many_streams_go_on_at_once(endpoints: Endpoints) {
    const KINDS: [StreamKind; 5] = [
        StreamKind::Auth,
        StreamKind::Gossip,
        StreamKind::Invitation,
        StreamKind::Replicate,
        StreamKind::Signal,
    ];
    let (a, b) = connect(&endpoints).await;
    let mut streams = Vec::new();
    for number in 0..STREAMS_MAX {
        let kind = KINDS[number as usize % KINDS.len()];
        streams.push(open(&*a, &*b, kind).await);
        let (far, near) = open(&*b, &*a, kind).await;
        streams.push((near, far));
    }
    for round in 0..3_u8 {
        for (number, (near, _)) in streams.iter_mut().enumerate() {
            near.sender.set_priority(Priority::Backfill);
            let length = number + usize::from(round);
            (near.sender.send(frame(round, length)).await).expect("sent");
        }
        // In another order than they were sent in.
        for (number, (_, far)) in streams.iter_mut().enumerate().rev() {
            let length = number + usize::from(round);
            assert_eq!(far.receiver.receive().await, Ok(Some(frame(round, length))));
        }
    }
}

/// One more than allowed waits until some of them are done with.
pub async fn streams_in_use_are_limited(endpoints: Endpoints) {
    let (a, b) = connect(&endpoints).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS_MAX {
        streams.push(open(&*a, &*b, StreamKind::Gossip).await);
    }
    let wait = timeout(Duration::from_millis(50), a.open(StreamKind::Gossip));
    assert!(wait.await.is_err(), "a stream beyond the limit opened");
    streams.truncate(streams.len() * 3 / 4);
    let (mut near, mut far) = open(&*a, &*b, StreamKind::Gossip).await;
    near.sender.send(frame(1, 1)).await.expect("sent");
    assert_eq!(far.receiver.receive().await, Ok(Some(frame(1, 1))));
}

/// A peer that does not read stops its sender, and only on that stream.
pub async fn a_sender_waits_for_its_receiver(endpoints: Endpoints) {
    const BOUND: usize = 64 * 1024 * 1024;
    let (a, b) = connect(&endpoints).await;
    let (mut stuck, mut unread) = open(&*a, &*b, StreamKind::Replicate).await;
    let (mut near, mut far) = open(&*a, &*b, StreamKind::Gossip).await;
    let chunk = frame(7, 64 * 1024);
    let mut count = 0;
    loop {
        let send = stuck.sender.send(chunk.clone());
        match timeout(Duration::from_millis(200), send).await {
            Ok(result) => result.expect("sent"),
            Err(_) => break,
        }
        count += 1;
        assert!(count * chunk.len() < BOUND, "the sender never waits");
    }
    for byte in 0..100 {
        near.sender.send(frame(byte, 1000)).await.expect("sent");
        assert_eq!(
            far.receiver.receive().await,
            Ok(Some(frame(byte, 1000))),
            "another stream is stuck too"
        );
    }
    // Everything is there in the end; the frame whose send was dropped may be or not.
    let finish = async { stuck.sender.finish().await.expect("finished") };
    let drain = async {
        let mut received = 0;
        while let Some(got) = unread.receiver.receive().await.expect("received") {
            assert!(got == chunk);
            received += 1;
        }
        assert!(received == count || received == count + 1);
    };
    join!(finish, drain);
}

/// A finished stream says so; a reset one does not look finished.
pub async fn finish_and_reset_differ(endpoints: Endpoints) {
    let (a, b) = connect(&endpoints).await;
    let (mut near, mut far) = open(&*a, &*b, StreamKind::Gossip).await;
    near.sender.send(frame(1, 10)).await.expect("sent");
    near.sender.finish().await.expect("finished");
    // A reset after the end changes nothing.
    near.sender.reset();
    assert_eq!(far.receiver.receive().await, Ok(Some(frame(1, 10))));
    assert_eq!(far.receiver.receive().await, Ok(None));

    far.sender.send(frame(2, 10)).await.expect("sent");
    assert_eq!(near.receiver.receive().await, Ok(Some(frame(2, 10))));
    far.sender.reset();
    assert_eq!(near.receiver.receive().await, Err(StreamError::Reset));
    assert_eq!(near.receiver.receive().await, Err(StreamError::Reset));
    assert_eq!(
        far.sender.send(frame(2, 1)).await,
        Err(StreamError::Finished)
    );
}

/// Forgetting to finish is no end.
pub async fn dropping_a_sender_resets(endpoints: Endpoints) {
    let (a, b) = connect(&endpoints).await;
    let (mut near, mut far) = open(&*a, &*b, StreamKind::Gossip).await;
    near.sender.send(frame(1, 10)).await.expect("sent");
    assert_eq!(far.receiver.receive().await, Ok(Some(frame(1, 10))));
    drop(near.sender);
    assert_eq!(far.receiver.receive().await, Err(StreamError::Reset));
    // The other direction goes on.
    far.sender.send(frame(3, 3)).await.expect("sent");
    assert_eq!(near.receiver.receive().await, Ok(Some(frame(3, 3))));
}

/// A receiver that is gone is noticed.
pub async fn dropping_a_receiver_stops_the_sender(endpoints: Endpoints) {
    let (a, b) = connect(&endpoints).await;
    let (mut near, far) = open(&*a, &*b, StreamKind::Gossip).await;
    drop(far.receiver);
    let error = loop {
        if let Err(error) = near.sender.send(frame(1, 64 * 1024)).await {
            break error;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(error, StreamError::Stopped);
}

/// Polls a future once and drops it.
async fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

/// Futures that are dropped while they wait lose neither streams nor frames.
pub async fn a_dropped_wait_loses_nothing(endpoints: Endpoints) {
    let (a, b) = connect(&endpoints).await;
    assert!(poll_once(b.accept()).await.is_none());
    let (mut near, mut far) = open(&*a, &*b, StreamKind::Gossip).await;
    let count = 200_u32;
    let send = async {
        for number in 0..count {
            let bytes = number.to_be_bytes().repeat(5000);
            near.sender.send(bytes.into()).await.expect("sent");
        }
        near.sender.finish().await.expect("finished");
    };
    let receive = async {
        let mut next = 0;
        while next < count {
            let got = if let Some(got) = poll_once(far.receiver.receive()).await {
                got
            } else {
                let wait = timeout(Duration::from_millis(2), far.receiver.receive()).await;
                let Ok(got) = wait else { continue };
                got
            };
            let got = got.expect("received").expect("not finished");
            assert!(got == next.to_be_bytes().repeat(5000), "frame {next}");
            next += 1;
        }
        assert_eq!(far.receiver.receive().await, Ok(None));
    };
    join!(send, receive);
}

/// A later version may open streams that we do not know.
pub async fn unknown_kinds_are_skipped(endpoints: Endpoints) {
    let (a, b) = connect(&endpoints).await;
    let mut unknown = a.open_raw([250, 1]).await.expect("opens");
    let mut later = a.open_raw([1, 200]).await.expect("opens");
    let (mut near, mut far) = open(&*a, &*b, StreamKind::Gossip).await;
    let next = poll_once(b.accept()).await;
    assert!(next.is_none(), "an unknown stream was accepted");
    near.sender.send(frame(1, 1)).await.expect("sent");
    assert_eq!(far.receiver.receive().await, Ok(Some(frame(1, 1))));
    let refused = unknown.receiver.receive();
    assert_eq!(refused.await, Err(StreamError::Reset));
    assert_eq!(later.receiver.receive().await, Err(StreamError::Reset));
    // More of them than may be open at once: they take no room.
    for _ in 0..STREAMS_MAX * 2 {
        let (opened, next) = join!(
            a.open_raw([251, 1]),
            timeout(Duration::from_millis(1), b.accept())
        );
        drop(opened.expect("opens"));
        assert!(next.is_err());
    }
}
