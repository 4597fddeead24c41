//! Connections are lost, hosts are restarted: what a page follows goes on.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Page, serve, serve_limited};

fn create(space: &str, title: &str) -> Value {
    let op = json!({ "op": "create", "type": "task", "properties": { "title": title } });
    json!({ "space": space, "ops": [op] })
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_connection_a_subscription_goes_on_where_it_stood() {
    let served = serve().await;
    let (mut writer, space) = served.page_with_space().await;
    let mut page = served.page().await;
    let query = json!({ "topic": "query", "space": space, "query": {} });
    page.subscribe(1, query, 8).await;
    page.subscribe(2, json!({ "topic": "status" }), 8).await;
    assert_eq!(page.event(1).await["seq"], 1);
    assert_eq!(page.event(2).await["seq"], 1);
    let (token, session) = (
        page.welcome["token"].clone(),
        page.welcome["session"].clone(),
    );
    page.cut();

    let mut page = Page::connect(served.port()).await.unwrap();
    let (token, session) = (token.as_str().unwrap(), session.as_str());
    let welcome = page.hello_again(token, session).await.unwrap();
    assert_eq!(welcome["resumed"], true);
    let points = json!([{ "id": 1, "seq": 1, "credits": 8 }, { "id": 2, "seq": 1, "credits": 8 }, { "id": 3, "seq": 0, "credits": 1 }]);
    let resumed = page
        .call("resume", json!({ "subscriptions": points }))
        .await
        .unwrap();
    assert_eq!(resumed, json!({ "resumed": [1, 2], "gone": [3] }));
    // Nothing was missed, so nothing is sent again; what comes next is a change.
    assert!(page.is_quiet(1).await && page.is_quiet(2).await);
    writer
        .call("echo.apply", create(&space, "one"))
        .await
        .unwrap();
    let event = page.event(1).await;
    assert_eq!(
        (event["kind"].as_str(), event["seq"].as_u64()),
        (Some("change"), Some(2))
    );
    assert_eq!(
        event["value"]["added"][0]["object"]["properties"]["title"],
        "one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_closes_its_connection_is_answered_and_may_come_back() {
    let served = serve().await;
    let mut page = served.page().await;
    let (token, session) = (
        page.welcome["token"].clone(),
        page.welcome["session"].clone(),
    );
    page.send_frame(Message::Close(None)).await.unwrap();
    assert!(page.closed_well().await);
    let mut page = Page::connect(served.port()).await.unwrap();
    let welcome = page.hello_again(token.as_str().unwrap(), session.as_str());
    assert_eq!(welcome.await.unwrap()["resumed"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_comes_as_a_fresh_value() {
    let served = serve().await;
    let (mut writer, space) = served.page_with_space().await;
    let mut page = served.page().await;
    let query = json!({ "topic": "query", "space": space, "query": {} });
    page.subscribe(1, query, 8).await;
    page.event(1).await;
    let (token, session) = (
        page.welcome["token"].clone(),
        page.welcome["session"].clone(),
    );
    // This one is on its way when the connection is cut, and the page never reads it.
    writer
        .call("echo.apply", create(&space, "one"))
        .await
        .unwrap();
    page.cut();
    writer
        .call("echo.apply", create(&space, "two"))
        .await
        .unwrap();

    let mut page = Page::connect(served.port()).await.unwrap();
    page.hello_again(token.as_str().unwrap(), session.as_str())
        .await
        .unwrap();
    let points = json!([{ "id": 1, "seq": 1, "credits": 8 }]);
    page.call("resume", json!({ "subscriptions": points }))
        .await
        .unwrap();
    let event = page.event_where(1, |event| {
        let value = &event["value"];
        value["total"] == 2
            || value["added"]
                .as_array()
                .is_some_and(|added| added.len() == 2)
    });
    event.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_one_connection_and_ends_some_time_after_it() {
    let served = serve_limited(|limits| limits.linger = Duration::from_millis(300)).await;
    let mut first = served.page().await;
    let (token, session) = (
        first.welcome["token"].clone(),
        first.welcome["session"].clone(),
    );
    let (token, session) = (token.as_str().unwrap(), session.as_str());
    let mut second = Page::connect(served.port()).await.unwrap();
    assert_eq!(
        second.hello_again(token, session).await.unwrap()["resumed"],
        true
    );
    assert_eq!(first.ended().await.unwrap()["data"]["kind"], "replaced");
    second.call("ping", json!({})).await.unwrap();
    second.cut();
    // A session that nobody came back to is gone, the token still holds.
    loop {
        let mut page = Page::connect(served.port()).await.unwrap();
        let welcome = page.hello_again(token, session).await.unwrap();
        if welcome["resumed"] == false {
            break;
        }
        page.cut();
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_somebody_else_is_not_come_back_to() {
    let served = serve().await;
    let owner = served.page().await;
    let session = owner.welcome["session"].as_str().unwrap().to_owned();
    let mut other = Page::connect(served.port()).await.unwrap();
    let welcome = other
        .hello_again(&served.token(), Some(&session))
        .await
        .unwrap();
    assert_eq!(welcome["resumed"], false);
    assert_ne!(welcome["session"], json!(session));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_of_the_host_an_open_page_comes_back_with_its_token() {
    let mut served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    page.subscribe(1, json!({ "topic": "spaces" }), 4).await;
    page.event(1).await;
    let (token, session) = (
        page.welcome["token"].clone(),
        page.welcome["session"].clone(),
    );
    let (token, session) = (token.as_str().unwrap(), session.as_str());
    let (port, link) = (served.port(), served.token());
    served.restart().await;
    assert_eq!(page.ended().await.unwrap()["data"]["kind"], "stopping");
    // It is where it was, so that the page's own origin still is that of the host.
    assert_eq!(served.port(), port);

    let mut page = Page::connect(port).await.unwrap();
    let welcome = page.hello_again(token, session).await.unwrap();
    assert_eq!(welcome["resumed"], false);
    page.subscribe(1, json!({ "topic": "spaces" }), 4).await;
    assert_eq!(page.event(1).await["value"][0]["key"], json!(space));
    // A link that was printed before the restart is void.
    let mut late = Page::connect(port).await.unwrap();
    assert!(late.hello(&link).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_was_lost_is_not_done_twice() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let counter =
        json!({ "op": "create", "type": "counter", "properties": { "n": { "@counter": 0 } } });
    let created = page
        .call("echo.apply", json!({ "space": space, "ops": [counter] }))
        .await
        .unwrap();
    let object = created["created"][0].clone();
    let op = json!({ "op": "increment", "object": object, "path": "n", "by": 1 });
    let apply = json!({ "space": space, "ops": [op], "key": "once" });
    page.send("echo.apply", apply.clone()).await;
    let (token, session) = (
        page.welcome["token"].clone(),
        page.welcome["session"].clone(),
    );
    page.cut();

    let mut page = Page::connect(served.port()).await.unwrap();
    let welcome = page
        .hello_again(token.as_str().unwrap(), session.as_str())
        .await
        .unwrap();
    assert_eq!(welcome["resumed"], true);
    let answer = page.call("echo.apply", apply.clone()).await.unwrap();
    assert_eq!(page.call("echo.apply", apply).await.unwrap(), answer);
    let shown = page
        .call("echo.object", json!({ "space": space, "object": object }))
        .await
        .unwrap();
    assert_eq!(shown["properties"]["n"], json!({ "@counter": 1 }));
}
