//! Connections as a whole: whom they lead to, how they end.

use std::sync::Arc;

use dxos_wire::StreamKind;
use tokio::join;

use super::{Endpoints, connect, frame, open, poll_once};
use crate::{CloseReason, ConnectError, StreamError};

/// Either side's reason reaches the other, and the first one counts.
pub async fn close_reasons_arrive(endpoints: Endpoints) {
    for (reason, near_closes) in [
        (CloseReason::Refused, true),
        (CloseReason::Duplicate, false),
        (CloseReason::Unknown(4242), true),
    ] {
        let (a, b) = connect(&endpoints).await;
        let (mut near, mut far) = open(&*a, &*b, StreamKind::Gossip).await;
        if near_closes {
            a.close(reason);
            a.close(CloseReason::Overloaded);
        } else {
            b.close(reason);
        }
        assert_eq!(a.closed().await, reason);
        assert_eq!(b.closed().await, reason);
        let closed = StreamError::Closed(reason);
        assert_eq!(far.receiver.receive().await, Err(closed.clone()));
        assert_eq!(near.receiver.receive().await, Err(closed.clone()));
        assert_eq!(near.sender.send(frame(0, 1)).await, Err(closed.clone()));
        assert_eq!(far.sender.send(frame(0, 1)).await, Err(closed.clone()));
        let opened = a.open(StreamKind::Gossip).await;
        assert_eq!(opened.expect_err("closed"), closed);
        assert_eq!(b.accept().await.expect_err("closed"), closed);
    }
}

/// Dropping every handle is a goodbye.
pub async fn dropping_a_connection_closes_it(endpoints: Endpoints) {
    let (a, b) = connect(&endpoints).await;
    let (near, far) = open(&*a, &*b, StreamKind::Gossip).await;
    drop(a);
    assert!(
        poll_once(b.closed()).await.is_none(),
        "a stream keeps its connection"
    );
    drop(near);
    assert_eq!(b.closed().await, CloseReason::Done);
    drop(far);
}

/// Exported keying material.
pub async fn bindings_agree_and_differ(endpoints: Endpoints) {
    let (a, b) = connect(&endpoints).await;
    let (c, d) = connect(&endpoints).await;
    assert_eq!(a.binding(b"one"), b.binding(b"one"));
    assert_eq!(c.binding(b"one"), d.binding(b"one"));
    assert_ne!(a.binding(b"one"), a.binding(b"two"));
    assert_ne!(a.binding(b"one"), c.binding(b"one"));
    assert_ne!(a.binding(b"one"), [0; 32]);
}

/// Who answers must be who was meant.
pub async fn the_wrong_key_is_refused(endpoints: Endpoints) {
    let Endpoints { a, b } = &endpoints;
    let stranger = dxos_keys::DeviceSecret::from_seed(&[0xAA; 32]).device();
    // Somebody has to answer for the handshake to come so far.
    let addresses = b.addresses();
    let error = tokio::select! {
        biased;
        error = a.connect(stranger, &addresses) => error,
        shown = b.accept() => panic!("a connection for somebody else shows up: {shown:?}"),
    };
    match error.expect_err("nobody has this key") {
        ConnectError::WrongKey { expected, .. } => assert_eq!(expected, stranger),
        other => panic!("{other:?} and not WrongKey"),
    }
    assert!(matches!(
        a.connect(b.device(), &[]).await,
        Err(ConnectError::NoAddress { .. })
    ));
    assert!(matches!(
        a.connect(a.device(), &a.addresses()).await,
        Err(ConnectError::Itself { .. })
    ));
    // The endpoint that was asked for somebody else is well, and shows no such connection.
    let (near, far) = connect(&endpoints).await;
    assert_eq!(near.binding(b""), far.binding(b""));
}

/// Connections of the same two devices, in both directions, do not touch each other.
pub async fn two_connections_are_separate(endpoints: Endpoints) {
    let (a, b) = connect(&endpoints).await;
    let turned = Endpoints {
        a: Arc::clone(&endpoints.b),
        b: Arc::clone(&endpoints.a),
    };
    let (c, d) = connect(&turned).await;
    assert_eq!(c.peer(), endpoints.a.device());
    a.close(CloseReason::Duplicate);
    assert_eq!(b.closed().await, CloseReason::Duplicate);
    let (mut near, mut far) = open(&*c, &*d, StreamKind::Gossip).await;
    near.sender.send(frame(1, 1)).await.expect("sent");
    assert_eq!(far.receiver.receive().await, Ok(Some(frame(1, 1))));
}

/// Closing an endpoint tells peers, ends `accept`, and can be repeated.
pub async fn closing_ends_everything(endpoints: Endpoints) {
    let (a, b) = connect(&endpoints).await;
    let ((), accepted) = join!(
        async {
            tokio::task::yield_now().await;
            endpoints.b.close().await;
        },
        endpoints.b.accept()
    );
    assert!(accepted.is_none());
    assert_eq!(a.closed().await, CloseReason::ShuttingDown);
    assert_eq!(b.closed().await, CloseReason::ShuttingDown);
    endpoints.b.close().await;
    assert!(endpoints.b.accept().await.is_none());
    let peer = endpoints.a.device();
    let error = endpoints.b.connect(peer, &endpoints.a.addresses()).await;
    assert_eq!(error.expect_err("closed"), ConnectError::Closed);
}

/// An address where nobody listens any more.
pub async fn nobody_there_is_an_error(endpoints: Endpoints) {
    let Endpoints { a, b } = &endpoints;
    let (peer, addresses) = (b.device(), b.addresses());
    b.close().await;
    match a.connect(peer, &addresses).await {
        Err(
            ConnectError::Unreachable { .. }
            | ConnectError::TimedOut { .. }
            | ConnectError::Refused { .. },
        ) => {}
        other => panic!("{other:?}"),
    }
}
