//! Texts that two people write at once, on screens of their own.

use std::time::Duration;

use dxos_client::{
    ConnectionState, Expand, ObjectId, Space, Span, Text, TextError, TextHandle, TextOptions,
    TextUpdate, Value, map,
};

use crate::support::{apart, converge, join, start, within};

async fn page(space: &Space, text: &str) -> ObjectId {
    let properties = map! { "body" => Text::new(text) };
    space.db().add(("page", properties)).await.unwrap()
}

/// Waits until a screen shows something.
async fn shows(text: &TextHandle, expected: &str) {
    let mut updates = text.updates();
    within(async {
        while text.content() != expected {
            updates.next().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn two_type_into_one_text_at_once() {
    let (_home, _ann, bob, space) = apart().await;
    let page = page(&space, "Ann: \nBob: ").await;
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    let ours = space.db().text(page, "body").await.unwrap();
    let other = theirs.db().text(page, "body").await.unwrap();
    let cursor = other.cursor(6).unwrap();
    for (at, letter) in "Grüße 😀".chars().enumerate() {
        ours.insert(5 + at, &letter.to_string()).unwrap();
        other.insert(other.len(), "o").unwrap();
    }
    // What one types shows at once on one's own screen.
    assert!(ours.content().starts_with("Ann: Grüße 😀\n"));
    shows(&ours, "Ann: Grüße 😀\nBob: ooooooo").await;
    shows(&other, "Ann: Grüße 😀\nBob: ooooooo").await;
    // The cursor is where it was put: before Bob's name.
    assert_eq!(other.position(&cursor), Some(13));
    assert_eq!(other.to_utf16(13), 14);
    assert_eq!(other.from_utf8(18), 13);

    // Each takes back what one typed oneself.
    assert!(other.undo());
    shows(&ours, "Ann: Grüße 😀\nBob: ").await;
    assert!(!other.undo() || other.content() == "Ann: Grüße 😀\nBob: ");
    ours.mark((5, 10), "bold", true, Expand::None).unwrap();
    ours.flush().await.unwrap();
    converge(&space, &theirs).await;
    let object = theirs.db().get(page).await.unwrap().unwrap();
    let Some(Value::Text(text)) = object.get("body") else {
        panic!("{object:?}");
    };
    let bold = Span {
        from: 5,
        to: 10,
        name: "bold".into(),
        value: true.into(),
    };
    assert_eq!(text.spans(), [bold]);
}

#[tokio::test]
async fn what_was_typed_apart_is_all_there_and_no_word_is_torn() {
    let (_home, _ann, bob, space) = apart().await;
    let page = page(&space, "").await;
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    let mesh = bob.mesh();
    mesh.set_connection_state(ConnectionState::Offline)
        .await
        .unwrap();
    let ours = space.db().text(page, "body").await.unwrap();
    let other = theirs.db().text(page, "body").await.unwrap();
    for letter in "milk and bread. ".chars() {
        ours.insert(ours.len(), &letter.to_string()).unwrap();
    }
    for letter in "eggs and cheese. ".chars() {
        other.insert(other.len(), &letter.to_string()).unwrap();
    }
    ours.flush().await.unwrap();
    other.flush().await.unwrap();
    mesh.set_connection_state(ConnectionState::Online)
        .await
        .unwrap();
    converge(&space, &theirs).await;
    within(async {
        let mut updates = (ours.updates(), other.updates());
        while ours.content() != other.content() {
            tokio::select! {
                biased;
                update = updates.0.next() => drop(update.unwrap()),
                update = updates.1.next() => drop(update.unwrap()),
            }
        }
    })
    .await;
    let text = ours.content();
    assert!(text.contains("milk and bread. ") && text.contains("eggs and cheese. "));
    assert_eq!(text.len(), 33);
}

#[tokio::test]
async fn a_text_outlives_a_restart_and_what_was_typed_last_is_committed_on_close() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let key = space.key();
    let page = page(&space, "").await;
    let slow = TextOptions::default().interval(Duration::from_secs(3600));
    let text = space.db().text_with(page, "body", slow).await.unwrap();
    let long = "All work and no play makes Jack a dull boy.\r\n".repeat(2_000);
    text.insert(0, &long).unwrap();
    text.insert(3, "!").unwrap();
    text.flush().await.unwrap();
    text.delete(3, 1).unwrap();
    let mut live = space.watch().await.unwrap();
    let blocks = live.borrow_and_update().blocks;
    drop(text);
    within(live.wait_for(|report| report.blocks > blocks))
        .await
        .unwrap();
    ann.destroy().await.unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let space = ann.echo().space(key).await.unwrap();
    let text = space.db().text(page, "body").await.unwrap();
    assert_eq!(text.content(), long);
}

#[tokio::test]
async fn edits_of_a_text_that_was_replaced_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let page = page(&space, "first").await;
    let text = space.db().text(page, "body").await.unwrap();
    assert!(matches!(
        text.insert(6, "x"),
        Err(TextError::Edit(dxos_client::TxError::Range {
            at: 6,
            len: 0,
            found: 5
        }))
    ));
    let mut updates = text.updates();
    let db = space.db();
    db.transaction(move |tx| tx.set(page, "body", Text::new("second")))
        .await
        .unwrap();
    assert_eq!(within(updates.next()).await, Some(TextUpdate::Renewed));
    assert_eq!(text.content(), "second");
    space
        .db()
        .transaction(move |tx| tx.unset(page, "body"))
        .await
        .unwrap();
    text.insert(0, "x").unwrap();
    assert!(matches!(text.flush().await, Err(TextError::Gone { .. })));
    let missing = space.db().text(page, "nothing").await;
    assert!(matches!(missing, Err(TextError::Gone { .. })));
}

#[tokio::test]
async fn a_text_ends_with_its_client() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let page = page(&space, "kept").await;
    let text = space.db().text(page, "body").await.unwrap();
    let mut updates = text.updates();
    ann.destroy().await.unwrap();
    assert_eq!(within(updates.next()).await, None);
    assert_eq!(text.updates().next().await, None);
    assert_eq!(text.insert(0, "lost"), Err(TextError::Closed));
    assert_eq!(text.flush().await, Err(TextError::Closed));
    assert_eq!(text.content(), "kept");
}

#[tokio::test]
async fn two_windows_of_one_device_type_into_one_text_at_once() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(home.path(), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let page = page(&space, "").await;
    // Nothing is committed but when it is said.
    let options = TextOptions::default().interval(Duration::from_secs(3600));
    let one = space.db().text_with(page, "body", options).await.unwrap();
    let two = space.db().text_with(page, "body", options).await.unwrap();
    for round in 0..3 {
        for (text, letter) in [(&one, "a"), (&two, "b")] {
            text.insert(text.len(), letter).unwrap();
            text.insert(text.len() / 2, letter).unwrap();
        }
        // The second commits without having seen the first.
        let (first, second) = if round % 2 == 0 {
            (&one, &two)
        } else {
            (&two, &one)
        };
        first.flush().await.unwrap();
        second.flush().await.unwrap();
        let object = space.db().get(page).await.unwrap().unwrap();
        let body = object
            .get("body")
            .and_then(Value::as_str)
            .unwrap()
            .to_owned();
        assert_eq!(body.len(), 4 * (round + 1));
        shows(&one, &body).await;
        shows(&two, &body).await;
    }
    ann.destroy().await.unwrap();
}

#[tokio::test]
async fn an_eager_text_commits_at_once_after_a_pause_and_gathers_what_follows() {
    let home = tempfile::tempdir().unwrap();
    let ann = start(home.path(), "Ann").await;
    let space = ann.echo().create_space(map! {}).await.unwrap();
    let page = page(&space, "").await;
    let hour = TextOptions::default().interval(Duration::from_secs(3600));
    let text = space
        .db()
        .text_with(page, "body", hour.eager())
        .await
        .unwrap();
    let mut live = space.watch().await.unwrap();
    let blocks = live.borrow_and_update().blocks;
    text.insert(0, "a").unwrap();
    within(live.wait_for(|report| report.blocks == blocks + 1))
        .await
        .unwrap();
    for letter in ["b", "c", "d"] {
        text.insert(text.content().len(), letter).unwrap();
    }
    text.flush().await.unwrap();
    let all = within(live.wait_for(|report| report.blocks >= blocks + 2)).await;
    assert_eq!(all.unwrap().blocks, blocks + 2);
    let stored = space.db().get(page).await.unwrap().unwrap();
    let shown = stored.properties().get("body").map(Value::to_json);
    assert_eq!(shown, Some(serde_json::json!({ "@text": "abcd" })));
}
