//! Questions over the wire: pages behind cursors, counts, how a query was answered, feeds.

use serde_json::{Value, json};

use crate::support::{Page, serve};

async fn add_tasks(page: &mut Page, space: &str, numbers: std::ops::Range<u32>) {
    let ops: Vec<_> = numbers
        .map(|n| {
            let properties = json!({ "n": n, "done": n % 3 == 0 });
            json!({ "op": "create", "type": "task", "properties": properties })
        })
        .collect();
    let apply = json!({ "space": space, "ops": ops });
    page.call("echo.apply", apply).await.unwrap();
}

fn numbers(page: &Value) -> Vec<u64> {
    let objects = page["objects"].as_array().unwrap();
    let number = |object: &Value| object["properties"]["n"].as_u64().unwrap();
    objects.iter().map(number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_behind_a_cursor_goes_on_where_the_last_one_ended_whatever_came_or_went() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    add_tasks(&mut page, &space, 10..30).await;
    let query = json!({ "filter": { "type_exact": "task" }, "order": [{ "path": "n" }] });
    let read = json!({ "space": space, "query": query, "size": 8 });
    let first = page.call("echo.page", read).await.unwrap();
    assert_eq!(numbers(&first), (10..18).collect::<Vec<_>>());

    // What comes before the cursor, or goes, moves nothing.
    add_tasks(&mut page, &space, 0..5).await;
    let gone = &first["objects"][7]["id"];
    let delete = json!({ "space": space, "ops": [{ "op": "delete", "object": gone }] });
    page.call("echo.apply", delete).await.unwrap();
    let read = json!({ "space": space, "query": query, "size": 8, "after": first["next"] });
    let second = page.call("echo.page", read).await.unwrap();
    assert_eq!(numbers(&second), (18..26).collect::<Vec<_>>());
    let read = json!({ "space": space, "query": query, "size": 8, "after": second["next"] });
    let last = page.call("echo.page", read).await.unwrap();
    assert_eq!(numbers(&last), (26..30).collect::<Vec<_>>());
    assert!(last.get("next").is_none());

    // A cursor is one of its order, and nothing else is a cursor.
    let other = json!({ "order": [{ "path": "done" }] });
    let read = json!({ "space": space, "query": other, "size": 8, "after": first["next"] });
    let refused = page.call("echo.page", read).await.unwrap_err();
    assert_eq!(
        (refused["code"].as_i64(), refused["data"]["action"].as_str()),
        (Some(-32009), Some("correct"))
    );
    for after in ["", "x", "e30", "bnVsbA"] {
        let read = json!({ "space": space, "query": query, "size": 8, "after": after });
        let refused = page.call("echo.page", read).await.unwrap_err();
        assert_eq!(refused["code"], -32602, "{after}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_bounded_in_objects_and_in_bytes() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let large = "x".repeat(500_000);
    for _ in 0..9 {
        let op = json!({ "op": "create", "type": "page", "properties": { "text": large } });
        let apply = json!({ "space": space, "ops": [op] });
        page.call("echo.apply", apply).await.unwrap();
    }
    let (mut after, mut pages, mut seen) = (Value::Null, 0, 0);
    loop {
        let read = json!({ "space": space, "query": {}, "size": u32::MAX, "after": after });
        let answer = page.call("echo.page", read).await.unwrap();
        seen += answer["objects"].as_array().unwrap().len();
        pages += 1;
        after = answer["next"].clone();
        if after.is_null() {
            break;
        }
    }
    assert!(seen == 9 && pages >= 3, "{seen} objects in {pages} pages");
    let read = json!({ "space": space, "query": {}, "size": 0 });
    let one = page.call("echo.page", read).await.unwrap();
    assert_eq!(one["objects"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_counted_grouped_and_explained() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    add_tasks(&mut page, &space, 0..10).await;
    let query = json!({ "filter": { "type_exact": "task" }, "limit": 2 });
    let ask = json!({ "space": space, "query": query });
    let count = page.call("echo.count", ask.clone()).await.unwrap();
    assert_eq!(count, json!({ "count": 10 }));

    let group = json!({ "space": space, "query": query, "path": "done" });
    let groups = page.call("echo.groupCount", group).await.unwrap();
    let wanted = json!([{ "value": false, "count": 6 }, { "value": true, "count": 4 }]);
    assert_eq!(groups, wanted);
    let group = json!({ "space": space, "query": query, "path": "@meta.type" });
    let groups = page.call("echo.groupCount", group).await.unwrap();
    assert_eq!(groups, json!([{ "value": "task", "count": 10 }]));

    let explained = page.call("echo.explain", ask).await.unwrap();
    assert!(explained["index"].is_string(), "{explained}");
    assert_eq!(explained["results"], 2, "{explained}");
    let filter = json!({ "contains": { "path": "n", "value": "x" } });
    let ask = json!({ "space": space, "query": { "filter": filter } });
    let explained = page.call("echo.explain", ask).await.unwrap();
    assert_eq!(explained["index"], Value::Null, "{explained}");
    assert!(explained["objects"].as_u64() >= Some(10), "{explained}");
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_are_told_with_their_writer_and_what_they_are_for() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    add_tasks(&mut page, &space, 0..2).await;
    let feeds = page
        .call("echo.feeds", json!({ "space": space }))
        .await
        .unwrap();
    let feeds = feeds.as_array().unwrap();
    let mut told: Vec<_> = feeds
        .iter()
        .map(|feed| {
            (
                feed["designation"].as_str().unwrap(),
                feed["author"]["displayName"].as_str(),
            )
        })
        .collect();
    told.sort_unstable();
    assert_eq!(told, [("control", Some("Ann")), ("data", Some("Ann"))]);
    assert!(feeds.iter().all(|feed| feed["applied"].as_u64() > Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_read_from_its_text_form_and_written_as_it() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let text = r#"type:task text:"quick bro*" order:-@relevance limit:5"#;
    let query = page.call("echo.parseQuery", json!({ "text": text })).await;
    let query = query.unwrap();
    let order = json!([{ "path": "@meta.relevance", "descending": true }]);
    assert_eq!((&query["order"], &query["limit"]), (&order, &json!(5)));

    let properties = json!({ "title": "A quick brown fox" });
    let op = json!({ "op": "create", "type": "task", "properties": properties });
    let apply = json!({ "space": space, "ops": [op] });
    page.call("echo.apply", apply).await.unwrap();
    add_tasks(&mut page, &space, 0..3).await;
    let run = json!({ "space": space, "query": query });
    let found = page.call("echo.query", run).await.unwrap();
    assert_eq!(
        found["objects"][0]["properties"]["title"],
        "A quick brown fox"
    );
    assert_eq!(found["total"], 1);

    let again = page
        .call("echo.formatQuery", json!({ "query": query }))
        .await;
    let again = page.call("echo.parseQuery", again.unwrap()).await.unwrap();
    assert_eq!(again, query);
    // Where it is none is told.
    let refused = page
        .call("echo.parseQuery", json!({ "text": "type:" }))
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused["code"], -32602, "{refused}");
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("at character"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queues_of_a_space_are_followed() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let topic = json!({ "topic": "queues", "space": space });
    page.subscribe(1, topic, 8).await;
    assert_eq!(page.event(1).await["value"], json!([]));
    for (queue, count) in [("log", 2), ("chat", 1)] {
        let items: Vec<_> = (0..count).map(|n| json!({ "n": n })).collect();
        let append = json!({ "space": space, "queue": queue, "items": items });
        page.call("echo.appendItems", append).await.unwrap();
    }
    let listed = |event: &Value| {
        let queues = event["value"].as_array().unwrap();
        let facts = queues
            .iter()
            .map(|queue| (queue["name"].as_str(), queue["items"].as_u64()));
        facts.eq([(Some("chat"), Some(1)), (Some("log"), Some(2))])
    };
    page.event_where(1, listed).await;
}
