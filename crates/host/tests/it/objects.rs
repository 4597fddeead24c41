//! Objects over the wire: written, followed, queried, undone.

use serde_json::{Value, json};

use crate::support::{Page, serve};

async fn apply(page: &mut Page, space: &str, ops: Value) -> Result<Value, Value> {
    page.call("echo.apply", json!({ "space": space, "ops": ops }))
        .await
}

async fn add(page: &mut Page, space: &str, kind: &str, properties: Value) -> String {
    let op = json!({ "op": "create", "type": kind, "properties": properties });
    let applied = apply(page, space, json!([op])).await.unwrap();
    applied["created"][0].as_str().unwrap().to_owned()
}

async fn shown(page: &mut Page, space: &str, object: &str) -> Value {
    let of = json!({ "space": space, "object": object });
    page.call("echo.object", of).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_does_what_it_says() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let properties = json!({
        "title": "Write", "due": { "@time": 5 }, "list": ["a", "b", "c"], "body": { "@text": "Hello 😀!" },
        "address": { "city": "Berlin", "zip": "10115" }, "gone": 1, "bytes": { "@bytes": "AQI=" },
        "@@mine": true,
    });
    let task = add(&mut page, &space, "task", properties).await;
    let note = add(&mut page, &space, "note", json!({})).await;
    let ops = json!([
        { "op": "set", "object": task, "path": "title", "value": "Read" },
        { "op": "unset", "object": task, "path": "gone" },
        { "op": "merge", "object": task, "path": "address", "base": { "city": "Berlin", "zip": "10115" }, "value": { "city": "Bonn", "zip": "10115" } },
        { "op": "increment", "object": task, "path": "count", "by": 3 },
        { "op": "setAdd", "object": task, "path": "labels", "values": ["x", "y"] },
        { "op": "setRemove", "object": task, "path": "labels", "values": ["y"] },
        { "op": "listInsert", "object": task, "path": "list", "values": ["d"] },
        { "op": "listInsert", "object": task, "path": "list", "at": 0, "values": ["z"] },
        { "op": "listDelete", "object": task, "path": "list", "at": 1 },
        { "op": "listMove", "object": task, "path": "list", "from": 0, "to": 2 },
        { "op": "listSet", "object": task, "path": "list", "at": 0, "value": "B" },
        { "op": "textSplice", "object": task, "path": "body", "changes": [{ "at": 8, "delete": 1, "insert": "?" }] },
        { "op": "tag", "object": task, "tags": ["home"] },
        { "op": "setParent", "object": task, "parent": note },
        { "op": "addKey", "object": task, "key": { "source": "x.org", "id": "1" } },
        { "op": "relate", "type": "about", "source": task, "target": note },
    ]);
    let applied = apply(&mut page, &space, ops).await.unwrap();
    let object = shown(&mut page, &space, &task).await;
    assert_eq!(
        object["properties"],
        json!({
            "title": "Read", "due": { "@time": 5 }, "list": ["B", "c", "z", "d"],
            "body": { "@text": "Hello 😀?" }, "address": { "city": "Bonn", "zip": "10115" },
            "count": { "@counter": 3 }, "labels": { "@set": ["x"] }, "bytes": { "@bytes": "AQI=" },
            "@@mine": true,
        })
    );
    assert_eq!(
        object["meta"],
        json!({ "tags": ["home"], "parent": note, "keys": [{ "source": "x.org", "id": "1" }] })
    );
    assert_eq!(
        object["updated"]["lamport"],
        applied["committed"]["lamport"]
    );
    let relation = applied["created"][0].as_str().unwrap();
    assert_eq!(
        shown(&mut page, &space, relation).await["meta"]["source"],
        json!(task)
    );

    apply(
        &mut page,
        &space,
        json!([{ "op": "delete", "object": task }]),
    )
    .await
    .unwrap();
    assert_eq!(shown(&mut page, &space, &task).await["deleted"], true);
    apply(
        &mut page,
        &space,
        json!([{ "op": "restore", "object": task }]),
    )
    .await
    .unwrap();
    assert!(
        shown(&mut page, &space, &task)
            .await
            .get("deleted")
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_written_whole_or_not_at_all_and_says_which_operation_failed() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let task = add(&mut page, &space, "task", json!({ "n": 1 })).await;
    let unknown = "y".repeat(26);
    for (op, code) in [
        (
            json!({ "op": "set", "object": unknown, "path": "n", "value": 2 }),
            -32008,
        ),
        (
            json!({ "op": "listInsert", "object": task, "path": "n", "values": [1] }),
            -32008,
        ),
        (
            json!({ "op": "set", "object": "x", "path": "n", "value": 2 }),
            -32602,
        ),
        (
            json!({ "op": "set", "object": task, "path": "n", "value": { "@time": "x" } }),
            -32602,
        ),
        (
            json!({ "op": "set", "object": task, "path": "@meta.parent", "value": 1 }),
            -32009,
        ),
        (json!({ "op": "merge", "object": task, "value": 1 }), -32602),
    ] {
        let first = json!({ "op": "set", "object": task, "path": "n", "value": 7 });
        let error = apply(&mut page, &space, json!([first, op]))
            .await
            .unwrap_err();
        assert_eq!(error["code"], code, "{error}");
        assert!(
            error["message"].as_str().unwrap().starts_with("ops[1]"),
            "{error}"
        );
        assert_eq!(shown(&mut page, &space, &task).await["properties"]["n"], 1);
    }
    let same = json!([{ "op": "merge", "object": task, "value": { "n": 1 } }]);
    assert_eq!(
        apply(&mut page, &space, same).await.unwrap()["committed"],
        Value::Null
    );
    let error = page
        .call(
            "echo.apply",
            json!({ "space": space, "ops": [{ "op": "nothing" }] }),
        )
        .await;
    assert_eq!(error.unwrap_err()["code"], -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_of_one_page_are_run_in_the_order_in_which_they_were_sent() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let task = add(&mut page, &space, "task", json!({ "n": 0 })).await;
    let mut ids = Vec::new();
    for n in 0..50 {
        let op = json!({ "op": "set", "object": task, "path": "n", "value": n });
        ids.push(
            page.send("echo.apply", json!({ "space": space, "ops": [op] }))
                .await,
        );
    }
    let mut lamports = Vec::new();
    for id in ids {
        lamports.push(
            page.answer(id).await.unwrap()["committed"]["lamport"]
                .as_u64()
                .unwrap(),
        );
    }
    assert!(lamports.is_sorted(), "{lamports:?}");
    assert_eq!(shown(&mut page, &space, &task).await["properties"]["n"], 49);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_comes_in_parts_and_then_in_changes() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    for chunk in 0..6 {
        let ops: Vec<Value> = (0..100)
            .map(|n| json!({ "op": "create", "type": "task", "properties": { "n": chunk * 100 + n } }))
            .collect();
        apply(&mut page, &space, json!(ops)).await.unwrap();
    }
    let query = json!({ "filter": { "type_any_version": "task" }, "order": [{ "path": "n" }] });
    let topic = json!({ "topic": "query", "space": space, "query": query });
    page.subscribe(1, topic, 1).await;
    let mut rows: Vec<Value> = Vec::new();
    while rows.len() < 600 {
        let event = page.event(1).await;
        assert_eq!(event["kind"], "value");
        assert_eq!(event["value"]["from"], rows.len());
        assert_eq!(event["value"]["total"], 600);
        let objects = event["value"]["objects"].as_array().unwrap();
        assert!(!objects.is_empty() && objects.len() <= 256);
        rows.extend(objects.iter().cloned());
        page.credit(1, 1).await;
    }
    let numbers: Vec<_> = rows
        .iter()
        .map(|row| row["properties"]["n"].as_u64().unwrap())
        .collect();
    assert!(numbers.is_sorted());

    let moved = rows[0]["id"].clone();
    let op = json!({ "op": "set", "object": moved, "path": "n", "value": 1000 });
    let applied = apply(&mut page, &space, json!([op])).await.unwrap();
    let event = page.event(1).await;
    assert_eq!(event["kind"], "change");
    let updated = &event["value"]["updated"][0];
    assert_eq!(
        (updated["position"].as_u64(), &updated["object"]["id"]),
        (Some(599), &moved)
    );
    // What a page that writes at once needs: to know when its write shows.
    assert_eq!(
        updated["object"]["updated"]["lamport"],
        applied["committed"]["lamport"]
    );
    page.credit(1, 1).await;
    apply(
        &mut page,
        &space,
        json!([{ "op": "delete", "object": moved }]),
    )
    .await
    .unwrap();
    assert_eq!(page.event(1).await["value"]["removed"][0], moved);

    let run = json!({ "space": space, "query": { "filter": { "type_any_version": "task" } } });
    let first = page.call("echo.query", run).await.unwrap();
    assert_eq!(
        (first["total"].as_u64(), first.get("next")),
        (Some(599), None)
    );
    let run = json!({ "space": space, "query": { "filter": { "compare": { "path": "n", "comparison": "lt", "value": 3 } }, "limit": 1 } });
    assert_eq!(page.call("echo.query", run).await.unwrap()["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_large_objects_comes_in_pages_that_fit() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let large = "x".repeat(500_000);
    for _ in 0..10 {
        add(&mut page, &space, "page", json!({ "text": large })).await;
    }
    let (mut from, mut pages, mut seen) = (json!(0), 0, 0);
    while !from.is_null() {
        let run = json!({ "space": space, "query": {}, "from": from });
        let answer = page.call("echo.query", run).await.unwrap();
        seen += answer["objects"].as_array().unwrap().len();
        pages += 1;
        from = answer["next"].clone();
    }
    assert!(seen == 10 && pages >= 3, "{seen} objects in {pages} pages");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_object_is_followed_from_before_it_exists() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let id = "yyyyyyyyyyyyyyyyyyyyyyyyyy";
    page.subscribe(
        1,
        json!({ "topic": "object", "space": space, "object": id }),
        8,
    )
    .await;
    assert_eq!(page.event(1).await["value"], Value::Null);
    let op = json!({ "op": "create", "object": id, "type": "task", "properties": { "n": 1 } });
    let applied = apply(&mut page, &space, json!([op])).await.unwrap();
    assert_eq!(applied["created"], json!([id]));
    assert_eq!(page.event(1).await["value"]["properties"]["n"], 1);
    apply(&mut page, &space, json!([{ "op": "delete", "object": id }]))
        .await
        .unwrap();
    assert_eq!(page.event(1).await["value"]["deleted"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_read_compared_and_undone() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let task = add(&mut page, &space, "task", json!({ "title": "one" })).await;
    let before = page
        .call("echo.timeframe", json!({ "space": space }))
        .await
        .unwrap();
    let op = json!({ "op": "set", "object": task, "path": "title", "value": "two" });
    let applied = apply(&mut page, &space, json!([op])).await.unwrap();
    let after = page
        .call("echo.timeframe", json!({ "space": space }))
        .await
        .unwrap();

    let at = json!({ "space": space, "timeframe": before, "object": task });
    assert_eq!(
        page.call("echo.objectAt", at).await.unwrap()["properties"]["title"],
        "one"
    );
    let at = json!({ "space": space, "timeframe": before, "query": {} });
    assert_eq!(page.call("echo.queryAt", at).await.unwrap()["total"], 1);
    let diff = json!({ "space": space, "from": before, "until": after });
    let diff = page.call("echo.diff", diff).await.unwrap();
    assert_eq!(
        diff[0]["properties"],
        json!([{ "path": "title", "before": "one", "after": "two" }])
    );

    let read = json!({ "space": space, "object": task, "limit": 10 });
    let history = page.call("echo.history", read).await.unwrap();
    assert_eq!(history["entries"].as_array().unwrap().len(), 2);
    assert_eq!(
        history["entries"][0]["changes"][0]["change"],
        json!({ "kind": "assigned", "value": "two" })
    );
    assert_eq!(history["entries"][0]["author"]["displayName"], "Ann");
    let blocks = page
        .call("echo.blocks", json!({ "space": space, "limit": 1 }))
        .await
        .unwrap();
    assert_eq!(blocks["blocks"][0]["committed"], applied["committed"]);
    let next = json!({ "space": space, "limit": 10, "before": blocks["next"] });
    let rest = page.call("echo.blocks", next).await.unwrap();
    assert!(!rest["blocks"].as_array().unwrap().is_empty());
    let feeds = page
        .call("echo.feeds", json!({ "space": space }))
        .await
        .unwrap();
    let own = feeds
        .as_array()
        .unwrap()
        .iter()
        .find(|feed| feed["feed"] == applied["committed"]["feed"]);
    assert_eq!(own.unwrap()["author"]["displayName"], "Ann");

    let undo = json!({ "space": space, "committed": applied["committed"] });
    let undone = page.call("echo.undo", undo).await.unwrap();
    assert_eq!(undone["undone"][0]["path"], "title");
    assert_eq!(
        shown(&mut page, &space, &task).await["properties"]["title"],
        "one"
    );
    let conflicts = json!({ "space": space, "object": task });
    assert_eq!(
        page.call("echo.conflicts", conflicts).await.unwrap(),
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_are_kept_and_hold_what_a_page_writes() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
    let put = json!({ "space": space, "type": "example.com/type/Task@0.1.0", "schema": schema });
    page.call("echo.putSchema", put).await.unwrap();
    let schemas = page
        .call("echo.schemas", json!({ "space": space }))
        .await
        .unwrap();
    assert_eq!(schemas[0]["schema"], schema);
    let op = json!({ "op": "create", "type": "example.com/type/Task@0.1.0", "properties": { "n": "x" } });
    let error = apply(&mut page, &space, json!([op])).await.unwrap_err();
    assert_eq!(
        (error["code"].as_i64(), error["data"]["kind"].as_str()),
        (Some(-32009), Some("schemaViolated"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn references_are_followed_and_dangling_ones_found() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let one = add(&mut page, &space, "note", json!({})).await;
    let two = add(
        &mut page,
        &space,
        "note",
        json!({ "next": { "@ref": one } }),
    )
    .await;
    let resolve = json!({ "space": space, "reference": one });
    let resolved = page.call("echo.resolve", resolve).await.unwrap();
    assert_eq!(
        (&resolved["space"], &resolved["object"]["id"]),
        (&json!(space), &json!(one))
    );
    let across = json!({ "space": space, "reference": format!("{space}:{one}") });
    assert_eq!(
        page.call("echo.resolve", across).await.unwrap()["object"]["id"],
        json!(one)
    );
    apply(
        &mut page,
        &space,
        json!([{ "op": "delete", "object": one }]),
    )
    .await
    .unwrap();
    let dangling = page
        .call("echo.dangling", json!({ "space": space }))
        .await
        .unwrap();
    assert_eq!(
        dangling,
        json!([{ "object": two, "path": "next", "target": one }])
    );
}
