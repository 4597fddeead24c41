//! Texts: two editors of one host and of two, edits that cross, undo, marks.

use serde_json::{Value, json};

use crate::support::{Page, serve};

/// An editor as the document tells a client to be one, positions in UTF-16 units.
struct Editor {
    id: u64,
    text: Vec<u16>,
    version: u64,
    edit: u64,
}

impl Editor {
    async fn open(page: &mut Page, id: u64, space: &str, object: &str) -> Self {
        let topic = json!({ "topic": "text", "space": space, "object": object, "path": "body" });
        page.subscribe(id, topic, 32).await;
        let mut editor = Self {
            id,
            text: Vec::new(),
            version: 0,
            edit: 0,
        };
        let event = page.event(id).await;
        editor.take(&event);
        editor
    }

    fn take(&mut self, event: &Value) {
        let value = &event["value"];
        self.version = value["version"].as_u64().unwrap();
        if event["kind"] == "value" {
            self.text = value["content"].as_str().unwrap().encode_utf16().collect();
        } else {
            self.change(&value["changes"]);
        }
    }

    fn change(&mut self, changes: &Value) {
        for change in changes.as_array().unwrap() {
            let at = usize::try_from(change["at"].as_u64().unwrap()).unwrap();
            let delete = usize::try_from(change["delete"].as_u64().unwrap_or(0)).unwrap();
            let insert = change["insert"].as_str().unwrap_or("").encode_utf16();
            self.text.splice(at..at + delete, insert);
        }
    }

    fn shows(&self) -> String {
        String::from_utf16(&self.text).unwrap()
    }

    fn request(&self, changes: &Value) -> Value {
        json!({ "id": self.id, "edit": self.edit + 1, "version": self.version, "changes": changes })
    }

    /// Edits, which has to be taken in.
    async fn edit(&mut self, page: &mut Page, changes: Value) {
        let answer = page
            .call("text.edit", self.request(&changes))
            .await
            .unwrap();
        self.edit += 1;
        self.version = answer["version"].as_u64().unwrap();
        self.change(&changes);
    }

    /// Takes in what comes until it shows this.
    async fn until(&mut self, page: &mut Page, text: &str) {
        while self.shows() != text {
            let event = page.event(self.id).await;
            page.credit(self.id, 1).await;
            self.take(&event);
        }
    }
}

async fn with_text(page: &mut Page, space: &str, content: &str) -> String {
    let properties = json!({ "body": { "@text": content } });
    let op = json!({ "op": "create", "type": "page", "properties": properties });
    let apply = json!({ "space": space, "ops": [op] });
    let applied = page.call("echo.apply", apply).await.unwrap();
    applied["created"][0].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_editor_types_shows_in_the_other_in_utf_16() {
    let served = serve().await;
    let (mut ann, space) = served.page_with_space().await;
    let object = with_text(&mut ann, &space, "a😀b").await;
    let mut ben = served.page().await;
    let mut one = Editor::open(&mut ann, 1, &space, &object).await;
    let mut two = Editor::open(&mut ben, 1, &space, &object).await;
    assert_eq!((one.shows(), one.version), ("a😀b".to_owned(), 1));

    one.edit(
        &mut ann,
        json!([{ "at": 3, "insert": "x😀" }, { "at": 0, "delete": 1, "insert": "A" }]),
    )
    .await;
    assert_eq!(one.shows(), "A😀x😀b");
    two.until(&mut ben, "A😀x😀b").await;
    two.edit(&mut ben, json!([{ "at": 6, "insert": "!" }]))
        .await;
    one.until(&mut ann, "A😀x😀!b").await;
    // It is in the object, too.
    ann.call("text.flush", json!({ "id": 1 })).await.unwrap();
    ben.call("text.flush", json!({ "id": 1 })).await.unwrap();
    let shown = ann
        .call("echo.object", json!({ "space": space, "object": object }))
        .await
        .unwrap();
    assert_eq!(shown["properties"]["body"], json!({ "@text": "A😀x😀!b" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_an_old_version_is_refused_and_taken_in_once_it_is_rebased() {
    let served = serve().await;
    let (mut ann, space) = served.page_with_space().await;
    let object = with_text(&mut ann, &space, "ab").await;
    let mut ben = served.page().await;
    let mut one = Editor::open(&mut ann, 1, &space, &object).await;
    let mut two = Editor::open(&mut ben, 1, &space, &object).await;
    one.edit(&mut ann, json!([{ "at": 0, "insert": "1" }]))
        .await;
    two.until(&mut ben, "1ab").await;
    // Ann types on; Ben's edit crosses what she has typed, and he has no credits to hear of it.
    let old = two.request(&json!([{ "at": 3, "insert": "2" }]));
    one.edit(&mut ann, json!([{ "at": 0, "insert": "0" }]))
        .await;
    ann.call("text.flush", json!({ "id": 1 })).await.unwrap();
    two.until(&mut ben, "01ab").await;
    let stale = ben.call("text.edit", old).await.unwrap_err();
    assert_eq!(stale["code"], -32004, "{stale}");
    two.edit(&mut ben, json!([{ "at": 4, "insert": "2" }]))
        .await;
    one.until(&mut ann, "01ab2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_sent_again_is_taken_in_once() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let object = with_text(&mut page, &space, "ab").await;
    let mut editor = Editor::open(&mut page, 1, &space, &object).await;
    let request = editor.request(&json!([{ "at": 2, "insert": "c" }]));
    let first = page.call("text.edit", request.clone()).await.unwrap();
    assert_eq!(page.call("text.edit", request).await.unwrap(), first);
    editor.edit = 1;
    editor.version = first["version"].as_u64().unwrap();
    editor.text.push(u16::from(b'c'));
    editor
        .edit(&mut page, json!([{ "at": 3, "insert": "d" }]))
        .await;
    page.call("text.flush", json!({ "id": 1 })).await.unwrap();
    let shown = page
        .call("echo.object", json!({ "space": space, "object": object }))
        .await
        .unwrap();
    assert_eq!(shown["properties"]["body"], json!({ "@text": "abcd" }));
    // After a lost connection the value says which edit it has.
    let (token, session) = (
        page.welcome["token"].clone(),
        page.welcome["session"].clone(),
    );
    page.cut();
    let mut page = Page::connect(served.port()).await.unwrap();
    page.hello_again(token.as_str().unwrap(), session.as_str())
        .await
        .unwrap();
    let points = json!([{ "id": 1, "seq": 0, "credits": 8 }]);
    page.call("resume", json!({ "subscriptions": points }))
        .await
        .unwrap();
    let event = page.event(1).await;
    assert_eq!(
        (
            event["value"]["content"].as_str(),
            event["value"]["edit"].as_u64()
        ),
        (Some("abcd"), Some(2))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_takes_back_what_this_editor_did_and_nothing_of_others() {
    let served = serve().await;
    let (mut ann, space) = served.page_with_space().await;
    let object = with_text(&mut ann, &space, "").await;
    let mut ben = served.page().await;
    let mut one = Editor::open(&mut ann, 1, &space, &object).await;
    let mut two = Editor::open(&mut ben, 1, &space, &object).await;
    one.edit(&mut ann, json!([{ "at": 0, "insert": "Ann" }]))
        .await;
    two.until(&mut ben, "Ann").await;
    two.edit(&mut ben, json!([{ "at": 3, "insert": " Ben" }]))
        .await;
    one.until(&mut ann, "Ann Ben").await;
    assert_eq!(
        ann.call("text.undo", json!({ "id": 1 })).await.unwrap()["stepped"],
        true
    );
    one.until(&mut ann, " Ben").await;
    two.until(&mut ben, " Ben").await;
    assert_eq!(
        ann.call("text.undo", json!({ "id": 1 })).await.unwrap()["stepped"],
        false
    );
    assert_eq!(
        ann.call("text.redo", json!({ "id": 1 })).await.unwrap()["stepped"],
        true
    );
    two.until(&mut ben, "Ann Ben").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_come_with_a_fresh_value() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let object = with_text(&mut page, &space, "😀bold").await;
    let editor = Editor::open(&mut page, 1, &space, &object).await;
    let mark = json!({ "id": 1, "version": editor.version, "from": 2, "to": 6, "name": "bold", "value": true });
    let answer = page.call("text.mark", mark).await.unwrap();
    let event = page.event(1).await;
    assert_eq!(event["value"]["version"], answer["version"]);
    assert_eq!(
        event["value"]["marks"],
        json!([{ "from": 2, "to": 6, "name": "bold", "value": true }])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn places_that_are_not_there_are_refused_and_leave_the_text_alone() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let object = with_text(&mut page, &space, "a😀b").await;
    let mut editor = Editor::open(&mut page, 1, &space, &object).await;
    for change in [
        json!({ "at": 6, "insert": "x" }),
        json!({ "at": 0, "delete": 6 }),
        // In the middle of a character.
        json!({ "at": 3, "insert": "x" }),
        json!({ "at": 2, "delete": 1 }),
        json!({ "at": 4_294_967_295_u64, "delete": 4_294_967_295_u64 }),
    ] {
        let request = editor.request(&json!([{ "at": 0, "insert": "y" }, change]));
        let error = page.call("text.edit", request).await.unwrap_err();
        assert_eq!(error["code"], -32602, "{change}: {error}");
    }
    editor
        .edit(&mut page, json!([{ "at": 4, "insert": "c" }]))
        .await;
    assert_eq!(editor.shows(), "a😀bc");
    let none = json!({ "id": 2, "topic": { "topic": "text", "space": space, "object": object, "path": "none" }, "credits": 1 });
    assert_eq!(
        page.call("subscribe", none).await.unwrap_err()["code"],
        -32008
    );
    page.subscribe(3, json!({ "topic": "status" }), 1).await;
    let other = json!({ "id": 3 });
    assert_eq!(
        page.call("text.undo", other).await.unwrap_err()["code"],
        -32602
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_type_at_once_end_with_one_text_and_all_that_was_typed() {
    let served = serve().await;
    let (mut ann, space) = served.page_with_space().await;
    let object = with_text(&mut ann, &space, "").await;
    let mut ben = served.page().await;
    let mut one = Editor::open(&mut ann, 1, &space, &object).await;
    let mut two = Editor::open(&mut ben, 1, &space, &object).await;
    for n in 0..60 {
        let (page, editor, letter) = if n % 2 == 0 {
            (&mut ann, &mut one, "a")
        } else {
            (&mut ben, &mut two, "b")
        };
        // At the end of what is known: in the middle of what the other has typed meanwhile.
        loop {
            let at = editor.text.len();
            let changes = json!([{ "at": at, "insert": letter }]);
            match page.call("text.edit", editor.request(&changes)).await {
                Ok(answer) => {
                    editor.edit += 1;
                    editor.version = answer["version"].as_u64().unwrap();
                    editor.change(&changes);
                    break;
                }
                Err(stale) => {
                    assert_eq!(stale["code"], -32004, "{stale}");
                    let event = page.event(1).await;
                    page.credit(1, 1).await;
                    editor.take(&event);
                }
            }
        }
    }
    while one.shows().len() < 60 {
        let event = ann.event(1).await;
        ann.credit(1, 1).await;
        one.take(&event);
    }
    let all = one.shows();
    two.until(&mut ben, &all).await;
    assert_eq!(all.matches('a').count(), 30);
    assert_eq!(all.matches('b').count(), 30);
}
