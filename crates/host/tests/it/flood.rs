//! A thousand connections, slow readers, greedy clients: what they cost is bounded.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Page, serve, serve_limited};

fn kind(error: &Value) -> &str {
    error["data"]["kind"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_strangers_do_not_keep_out_who_has_a_token() {
    let served = serve_limited(|limits| limits.strangers = 16).await;
    let mut user = served.page().await;
    let mut strangers = Vec::new();
    for round in 0..1000 {
        strangers.push(Page::connect(served.port()).await.unwrap());
        // The client keeps a few open itself: it is the host that has to let go of the others.
        if strangers.len() > 64 {
            strangers.remove(0);
        }
        if round % 250 == 249 {
            user.call("ping", json!({})).await.unwrap();
            served.page().await;
        }
    }
    let metrics = served.host().metrics();
    assert!(metrics.connections <= 16 + 64 + 8, "{metrics:?}");
    assert!(metrics.refused >= 900, "{metrics:?}");
    // Those that are still open end by themselves, and nothing is left.
    drop(strangers);
    user.call("ping", json!({})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_and_subscriptions_have_a_limit_that_is_told() {
    let served = serve_limited(|limits| {
        limits.connections = 4;
        limits.subscriptions = 8;
        limits.credits = 8;
    })
    .await;
    let mut pages = Vec::new();
    for _ in 0..4 {
        pages.push(served.page().await);
    }
    let mut fifth = Page::connect(served.port()).await.unwrap();
    let refused = fifth.hello(&served.token()).await.unwrap_err();
    assert_eq!(
        (refused["code"].as_i64(), kind(&refused)),
        (Some(-32003), "full")
    );
    drop(pages.pop());
    // The place of one that has gone is free.
    loop {
        let mut page = Page::connect(served.port()).await.unwrap();
        if page.hello(&served.token()).await.is_ok() {
            break;
        }
    }
    let mut page = pages.pop().unwrap();
    let status = json!({ "topic": "status" });
    for id in 0..8 {
        page.subscribe(id, status.clone(), 1).await;
    }
    let ninth = json!({ "id": 8, "topic": status, "credits": 1 });
    let refused = page.call("subscribe", ninth.clone()).await.unwrap_err();
    assert_eq!(refused["code"], -32003, "{refused}");
    page.call("unsubscribe", json!({ "id": 0 })).await.unwrap();
    page.call("subscribe", ninth).await.unwrap();
    let again = json!({ "id": 8, "topic": status, "credits": 1 });
    assert_eq!(
        page.call("subscribe", again).await.unwrap_err()["code"],
        -32602
    );
    let greedy = page
        .call("credit", json!({ "id": 8, "n": 100 }))
        .await
        .unwrap_err();
    assert_eq!(greedy["code"], -32003);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_few_large_steps_and_the_truth_in_the_end() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let query = json!({ "topic": "query", "space": space, "query": {} });
    let mut slow = served.page().await;
    slow.subscribe(1, query, 1).await;
    assert_eq!(slow.event(1).await["value"]["total"], 0);

    let create = json!({ "op": "create", "type": "task", "properties": { "n": -1 } });
    let apply = json!({ "space": space, "ops": [create] });
    let created = page.call("echo.apply", apply).await.unwrap();
    let task = created["created"][0].clone();
    let padding = "x".repeat(10_000);
    for n in 0..2000 {
        let set = json!({ "op": "set", "object": task, "path": "n", "value": n });
        let pad = json!({ "op": "set", "object": task, "path": "padding", "value": format!("{n}{padding}") });
        page.call("echo.apply", json!({ "space": space, "ops": [set, pad] }))
            .await
            .unwrap();
    }
    assert!(slow.is_quiet(1).await, "without credits nothing is sent");
    let before = served.host().metrics().notifications;
    slow.credit(1, 8).await;
    // One change per credit at most, the last of which shows the last write.
    let mut steps = 0;
    loop {
        let event = slow.event(1).await;
        steps += 1;
        let change = &event["value"];
        let rows = change["added"].as_array().unwrap().iter();
        let rows = rows.chain(change["updated"].as_array().unwrap());
        let last = rows.last().unwrap()["object"]["properties"]["n"].clone();
        if last == 1999 {
            break;
        }
        slow.credit(1, 1).await;
    }
    assert!(steps <= 200, "2,000 writes came as {steps} changes");
    assert!(served.host().metrics().notifications - before <= 210);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_at_all_holds_up_nobody_and_costs_a_bounded_amount() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    let big = "y".repeat(100_000);
    let ops: Vec<Value> = (0..5)
        .map(|_| json!({ "op": "create", "type": "page", "properties": { "text": big } }))
        .collect();
    for _ in 0..4 {
        page.call("echo.apply", json!({ "space": space, "ops": ops }))
            .await
            .unwrap();
    }
    // It asks for two megabytes again and again, and never reads.
    let mut deaf = served.page().await;
    let query = json!({ "space": space, "query": {} });
    let begun = served.host().metrics();
    let flood = async {
        for _ in 0..2000 {
            deaf.send("echo.query", query.clone()).await;
        }
    };
    // Its requests are not even read once the answers to the first ones are stuck.
    let stuck = tokio::time::timeout(Duration::from_secs(5), flood).await;
    let now = served.host().metrics();
    let sent = now.bytes_sent - begun.bytes_sent;
    // 16 wait, 32 are on their way, 64 are being answered.
    assert!(
        now.requests - begun.requests <= 16 + 32 + 64 + 4,
        "{now:?}, {stuck:?}"
    );
    assert!(sent <= 2_200_000 * (32 + 4), "{sent} bytes");
    // Nobody else notices.
    let quick = tokio::time::timeout(Duration::from_secs(20), page.call("ping", json!({})));
    quick.await.unwrap().unwrap();
}
