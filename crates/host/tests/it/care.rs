//! How spaces are kept, over the wire: closed, opened, deleted, cut at epochs, looked at.

use serde_json::{Value, json};

use crate::support::{Page, serve};

async fn write(page: &mut Page, space: &str, count: u32) {
    for n in 0..count {
        let create = json!({ "op": "create", "type": "task", "properties": { "n": n } });
        let apply = json!({ "space": space, "ops": [create] });
        page.call("echo.apply", apply).await.unwrap();
    }
}

fn state_of(event: &Value) -> Option<&str> {
    event["value"][0]["state"].as_str()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_space_says_why_and_that_it_has_to_be_opened() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let of = json!({ "space": space });
    page.subscribe(1, json!({ "topic": "spaces" }), 8).await;
    let query = json!({ "topic": "query", "space": space, "query": {} });
    page.subscribe(2, query, 8).await;
    page.event(2).await;

    let closed = page.call("echo.closeSpace", of.clone()).await.unwrap();
    assert_eq!(closed["state"], "closed");
    assert_eq!(closed["reason"]["kind"], "closed-by-user");
    let told = page
        .event_where(1, |event| state_of(event) == Some("closed"))
        .await;
    let why = told["value"][0]["reason"]["message"].as_str().unwrap();
    assert!(why.contains("open it"), "{why}");
    page.event_where(2, |event| event["kind"] == "end").await;
    let ask = json!({ "space": space, "query": {} });
    let refused = page.call("echo.query", ask).await.unwrap_err();
    assert_eq!(refused["code"], -32005, "{refused}");
    assert_eq!(refused["data"]["kind"], "spaceClosed");
    assert_eq!(refused["data"]["action"], "openSpace");
    // Closing it again changes nothing, and what is stored of it can be told all the same.
    page.call("echo.closeSpace", of.clone()).await.unwrap();
    let stats = page.call("echo.stats", of.clone()).await.unwrap();
    assert!(stats["bytes"]["blocks"].as_u64() > Some(0), "{stats}");

    page.call("echo.openSpace", of).await.unwrap();
    page.event_where(1, |event| state_of(event) == Some("ready"))
        .await;
    write(&mut page, &space, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_space_is_deleted_only_with_the_word_for_it() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    page.subscribe(1, json!({ "topic": "spaces" }), 8).await;
    for confirm in [json!(null), json!(""), json!(true), json!("wipe-profile")] {
        let delete = json!({ "space": space, "confirm": confirm });
        let refused = page.call("echo.deleteSpace", delete).await.unwrap_err();
        assert_eq!(refused["code"], -32602, "{refused}");
    }
    let delete = json!({ "space": space, "confirm": "delete-space" });
    page.call("echo.deleteSpace", delete.clone()).await.unwrap();
    page.event_where(1, |event| event["value"] == json!([]))
        .await;
    let gone = page.call("echo.deleteSpace", delete).await.unwrap_err();
    assert_eq!(gone["code"], -32008, "{gone}");
    // The list goes on telling.
    page.call("echo.createSpace", json!({})).await.unwrap();
    page.event_where(1, |event| state_of(event) == Some("ready"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_space_of_the_identity_can_be_neither_closed_nor_deleted() {
    let served = serve().await;
    let (mut page, _) = served.page_with_space().await;
    let halo = served.client.halo().halo_space().unwrap().unwrap();
    let delete = json!({ "space": halo.to_string(), "confirm": "delete-space" });
    let of = json!({ "space": halo.to_string() });
    for (method, given) in [
        ("echo.closeSpace", of.clone()),
        ("echo.deleteSpace", delete),
        ("echo.createEpoch", of.clone()),
        ("echo.trim", of.clone()),
        ("echo.stats", of),
    ] {
        let refused = page.call(method, given).await.unwrap_err();
        assert_eq!(refused["data"]["kind"], "unknownSpace", "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_is_made_told_and_what_is_before_it_dropped() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let of = json!({ "space": space });
    write(&mut page, &space, 10).await;
    let refused = page.call("echo.trim", of.clone()).await.unwrap_err();
    assert_eq!(refused["data"]["kind"], "noEpoch");
    let topic = json!({ "topic": "epochs", "space": space });
    page.subscribe(1, topic, 8).await;
    assert_eq!(page.event(1).await["value"], json!([]));

    let epoch = page.call("echo.createEpoch", of.clone()).await.unwrap();
    assert_eq!(
        (epoch["number"].as_u64(), epoch["state"].as_str()),
        (Some(1), Some("current"))
    );
    let is_listed = |event: &Value| event["value"][0]["number"] == 1;
    page.event_where(1, is_listed).await;
    let trimmed = page.call("echo.trim", of.clone()).await.unwrap();
    assert!(trimmed["blocks"].as_u64() >= Some(10), "{trimmed}");
    let is_done = |event: &Value| {
        let epoch = &event["value"][0];
        epoch["trimmed"] == true && epoch["tidying"] == false
    };
    page.event_where(1, is_done).await;
    let listed = page.call("echo.epochs", of).await.unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    // What it stands for is there, and the room is given back.
    let count = json!({ "space": space, "query": { "filter": { "type_exact": "task" } } });
    let counted = page.call("echo.count", count).await.unwrap();
    assert_eq!(counted["count"], 10);
    let garbage = page.call("client.gc", json!({})).await.unwrap();
    assert!(garbage["diskBytesAfter"].as_u64() > Some(0), "{garbage}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_is_erased_and_how_far_that_is_is_told() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let of = json!({ "space": space });
    let none = page.call("echo.erasure", of.clone()).await.unwrap();
    assert_eq!(none, json!(null));
    page.subscribe(1, json!({ "topic": "erasure", "space": space }), 8)
        .await;
    assert_eq!(page.event(1).await["value"], json!(null));
    write(&mut page, &space, 1).await;
    let erasure = page.call("echo.erase", of).await.unwrap();
    assert!(erasure["keys"].as_u64() > Some(0), "{erasure}");
    // Of a space of one device nobody else is waited for.
    page.event_where(1, |event| event["value"]["state"] == "done")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_stored_a_space_or_an_object_is_told_as_it_changes() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let topic = json!({ "topic": "syncStatus", "space": space });
    page.subscribe(1, topic, 8).await;
    // Its own device signs for it, too, when it is on the disk.
    let is_complete = |event: &Value| event["value"]["complete"] == true;
    let first = page.event_where(1, is_complete).await["value"].clone();
    assert_eq!(first["devices"].as_array().unwrap().len(), 1);
    assert_eq!(first["devices"][0]["own"], true);
    let before = first["blocks"].as_u64().unwrap();
    write(&mut page, &space, 3).await;
    page.event_where(1, |event| {
        event["value"]["blocks"].as_u64() >= Some(before + 3) && is_complete(event)
    })
    .await;

    let ask = json!({ "space": space, "query": { "filter": { "type_exact": "task" } } });
    let found = page.call("echo.query", ask).await.unwrap();
    let object = &found["objects"][0]["id"];
    let read = json!({ "space": space, "object": object });
    let status = page.call("echo.syncStatus", read).await.unwrap();
    assert_eq!(status["devices"][0]["missing"], 0, "{status}");
    let read = json!({ "space": space, "object": "nonsense" });
    let refused = page.call("echo.syncStatus", read.clone()).await;
    assert_eq!(refused.unwrap_err()["code"], -32602);
    let topic = json!({ "topic": "syncStatus", "space": space, "object": "nonsense" });
    page.subscribe(2, topic, 8).await;
    let ended = page.event(2).await;
    assert_eq!(
        (ended["kind"].as_str(), ended["error"]["code"].as_i64()),
        (Some("end"), Some(-32602))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_checked_and_what_is_derived_made_anew() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    write(&mut page, &space, 3).await;
    let report = page.call("client.doctor", json!({})).await.unwrap();
    assert_eq!(report["whole"], true, "{report}");
    // The space of the page, and the one in which the identity keeps its devices.
    let spaces = report["spaces"].as_array().unwrap();
    assert_eq!(spaces.len(), 2);
    let own = spaces.iter().find(|one| one["space"] == space.as_str());
    let own = own.unwrap();
    assert!(own["objects"].as_u64() >= Some(3), "{own}");
    assert_eq!(
        (own["findings"].as_array().unwrap().len(), &own["repaired"]),
        (0, &json!(false))
    );
    let repair = json!({ "repair": true });
    let repaired = page.call("client.doctor", repair).await.unwrap();
    assert_eq!(
        (&repaired["whole"], &repaired["orphansRemoved"]),
        (&json!(true), &json!(true))
    );
    // It is used as before.
    write(&mut page, &space, 1).await;
}
