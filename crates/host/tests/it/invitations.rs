//! Two hosts: invite, join, see one another, write to one another.

use serde_json::{Value, json};

use crate::support::{Page, serve_online};

/// Joins by a code that the one page shows and the other types; gives the flow when it has ended.
async fn join(ann: &mut Page, ben: &mut Page, method: &str, invitation: &Value) -> Value {
    let text = invitation["invitationCode"].clone();
    let read = ben
        .call("invitation.read", json!({ "invitation": text }))
        .await
        .unwrap();
    assert_eq!(read["authentication"], "shared-secret");
    let flow = ben
        .call(method, json!({ "invitation": text }))
        .await
        .unwrap();
    let number = flow["flow"].clone();
    ben.subscribe(90, json!({ "topic": "flow", "flow": number }), 8)
        .await;
    ben.event_where(90, |event| {
        event["value"]["state"] == "ready-for-authentication"
    })
    .await;
    let wrong = json!({ "flow": number, "code": "12" });
    assert_eq!(
        ben.call("invitation.authenticate", wrong)
            .await
            .unwrap_err()["code"],
        -32010
    );
    let code = json!({ "flow": number, "code": invitation["authCode"] });
    ben.call("invitation.authenticate", code).await.unwrap();
    let ended = ben
        .event_where(90, |event| event["value"]["state"] == "success")
        .await;
    let flows = ben.call("invitation.flows", json!({})).await.unwrap();
    assert_eq!(flows[0]["state"], "success");
    let _ = ann;
    ended["value"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_share_a_space_see_who_is_there_and_write_at_once() {
    let (one, two) = (serve_online().await, serve_online().await);
    let (mut ann, space) = one.page_with_space().await;
    let mut ben = two.page().await;
    ben.call("halo.createIdentity", json!({ "displayName": "Ben" }))
        .await
        .unwrap();
    ben.subscribe(1, json!({ "topic": "spaces" }), 8).await;
    assert_eq!(ben.event(1).await["value"], json!([]));
    ann.subscribe(2, json!({ "topic": "members", "space": space }), 8)
        .await;
    ann.subscribe(3, json!({ "topic": "spaceInvitations", "space": space }), 8)
        .await;
    assert_eq!(ann.event(3).await["value"], json!([]));

    let create = json!({ "space": space, "options": { "role": "editor", "target": "Home" } });
    let invitation = ann.call("echo.createInvitation", create).await.unwrap();
    assert_eq!(invitation["authCode"].as_str().unwrap().len(), 6);
    let listed = ann
        .event_where(3, |event| event["value"].as_array().unwrap().len() == 1)
        .await;
    assert_eq!(listed["value"][0]["id"], invitation["id"]);
    let topic = json!({ "topic": "invitation", "space": space, "invitation": invitation["id"] });
    ann.subscribe(4, topic, 8).await;

    let joined = join(&mut ann, &mut ben, "echo.acceptInvitation", &invitation).await;
    assert_eq!(joined["space"], json!(space));
    ann.event_where(4, |event| event["value"]["state"] == "success")
        .await;
    ann.event_where(3, |event| event["value"] == json!([]))
        .await;
    ben.event_where(1, |event| event["value"][0]["key"] == json!(space))
        .await;
    let members = ann.event_where(2, |event| {
        let members = event["value"].as_array().unwrap();
        members.len() == 2 && members.iter().all(|member| member["online"] == true)
    });
    let members = members.await["value"].clone();
    let other = members
        .as_array()
        .unwrap()
        .iter()
        .find(|member| member["own"] == false)
        .unwrap();
    assert_eq!(
        (&other["profile"]["displayName"], &other["role"]),
        (&json!("Ben"), &json!("editor"))
    );
    let contacts = ann.call("halo.contacts", json!({})).await.unwrap();
    assert_eq!(contacts[0]["spaces"], json!([space]));

    // Each sees what the other writes.
    let query = json!({ "topic": "query", "space": space, "query": {} });
    ann.subscribe(5, query.clone(), 8).await;
    ben.subscribe(5, query, 8).await;
    for (page, title) in [(&mut ann, "from Ann"), (&mut ben, "from Ben")] {
        let op = json!({ "op": "create", "type": "task", "properties": { "title": title } });
        page.call("echo.apply", json!({ "space": space, "ops": [op] }))
            .await
            .unwrap();
    }
    for (page, title) in [(&mut ann, "from Ben"), (&mut ben, "from Ann")] {
        page.event_where(5, |event| event["value"].to_string().contains(title))
            .await;
    }

    // A message goes by without being kept.
    ann.subscribe(
        6,
        json!({ "topic": "messages", "space": space, "channel": "hi" }),
        8,
    )
    .await;
    ann.event(6).await;
    let post = json!({ "space": space, "channel": "hi", "payload": { "wave": 1 } });
    ben.call("echo.postMessage", post).await.unwrap();
    let message = ann.event(6).await["value"]["messages"][0].clone();
    assert_eq!(
        (&message["payload"], &message["identity"]),
        (&json!({ "wave": 1 }), &other["identity"])
    );

    // The network says so, too.
    let network = ann.call("mesh.networkStatus", json!({})).await.unwrap();
    assert_eq!(network["state"], "online");
    let swarm = network["swarms"]
        .as_array()
        .unwrap()
        .iter()
        .find(|swarm| swarm["space"] == json!(space));
    assert_eq!(swarm.unwrap()["sessions"].as_array().unwrap().len(), 1);

    // Removed, he cannot write any more, and is told why.
    let remove = json!({ "space": space, "identity": other["identity"] });
    ann.call("echo.removeMember", remove).await.unwrap();
    ben.subscribe(7, json!({ "topic": "space", "space": space }), 8)
        .await;
    let gone = ben
        .event_where(7, |event| !event["value"]["departure"].is_null())
        .await;
    assert_eq!(gone["value"]["departure"]["how"], "removed");
    let op = json!({ "op": "create", "type": "task" });
    let refused = ben
        .call("echo.apply", json!({ "space": space, "ops": [op] }))
        .await
        .unwrap_err();
    assert_eq!(refused["data"]["action"], "askAdmin", "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_edit_one_text_see_each_other_type_and_where() {
    let (one, two) = (serve_online().await, serve_online().await);
    let (mut ann, space) = one.page_with_space().await;
    let mut ben = two.page().await;
    ben.call("halo.createIdentity", json!({ "displayName": "Ben" }))
        .await
        .unwrap();
    let body = json!({ "body": { "@text": "Hello" } });
    let op = json!({ "op": "create", "type": "page", "properties": body });
    let applied = ann
        .call("echo.apply", json!({ "space": space, "ops": [op] }))
        .await
        .unwrap();
    let object = applied["created"][0].clone();
    let invitation = ann
        .call("echo.createInvitation", json!({ "space": space }))
        .await
        .unwrap();
    join(&mut ann, &mut ben, "echo.acceptInvitation", &invitation).await;

    let here = json!({ "topic": "object", "space": space, "object": object });
    ben.subscribe(1, here, 8).await;
    ben.event_where(1, |event| !event["value"].is_null()).await;
    let text = json!({ "topic": "text", "space": space, "object": object, "path": "body" });
    for page in [&mut ann, &mut ben] {
        page.subscribe(2, text.clone(), 8).await;
        assert_eq!(page.event(2).await["value"]["content"], "Hello");
    }
    ben.subscribe(3, json!({ "topic": "cursors", "text": 2 }), 8)
        .await;
    assert_eq!(ben.event(3).await["value"], json!([]));

    let edit =
        json!({ "id": 2, "edit": 1, "version": 1, "changes": [{ "at": 0, "insert": "😀" }] });
    let answer = ann.call("text.edit", edit).await.unwrap();
    let change = ben.event(2).await;
    assert_eq!(
        change["value"]["changes"],
        json!([{ "at": 0, "delete": 0, "insert": "😀" }])
    );
    let cursor =
        json!({ "id": 2, "version": answer["version"], "selection": { "anchor": 2, "head": 4 } });
    ann.call("text.setCursor", cursor).await.unwrap();
    let cursors = ben
        .event_where(3, |event| event["value"][0]["head"] == 4)
        .await;
    assert_eq!(cursors["value"][0]["displayName"], "Ann");
    // It stays with its characters when he types before it.
    let edit = json!({ "id": 2, "edit": 1, "version": change["value"]["version"], "changes": [{ "at": 0, "insert": "ab" }] });
    ben.call("text.edit", edit).await.unwrap();
    ben.event_where(3, |event| event["value"][0]["head"] == 6)
        .await;
    ann.call("text.setCursor", json!({ "id": 2, "version": 0 }))
        .await
        .unwrap();
    ben.event_where(3, |event| event["value"] == json!([]))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_host_becomes_a_device_of_the_identity() {
    let (one, two) = (serve_online().await, serve_online().await);
    let (mut ann, space) = one.page_with_space().await;
    let mut phone = two.page().await;
    ann.subscribe(1, json!({ "topic": "devices" }), 8).await;
    let invitation = ann.call("halo.createInvitation", json!({})).await.unwrap();
    assert_eq!(invitation["kind"], "device");
    phone.subscribe(1, json!({ "topic": "identity" }), 8).await;
    assert_eq!(phone.event(1).await["value"], Value::Null);
    join(&mut ann, &mut phone, "halo.acceptInvitation", &invitation).await;
    phone
        .event_where(1, |event| event["value"]["profile"]["displayName"] == "Ann")
        .await;
    phone.subscribe(2, json!({ "topic": "spaces" }), 8).await;
    phone
        .event_where(2, |event| event["value"][0]["key"] == json!(space))
        .await;
    let devices = ann
        .event_where(1, |event| event["value"].as_array().unwrap().len() == 2)
        .await;
    let other = devices["value"]
        .as_array()
        .unwrap()
        .iter()
        .find(|device| device["current"] == false)
        .unwrap();
    let rename = json!({ "device": other["device"], "name": "Phone" });
    ann.call("halo.renameDevice", rename).await.unwrap();
    ann.event_where(1, |event| event["value"].to_string().contains("Phone"))
        .await;
    // The space of the identity itself is none that pages see.
    let own = ann.call("echo.spaces", json!({})).await.unwrap();
    assert_eq!(own.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_invitation_or_an_old_one_is_told() {
    let one = serve_online().await;
    let (mut ann, space) = one.page_with_space().await;
    let bad = ann
        .call("echo.acceptInvitation", json!({ "invitation": "dx1_x" }))
        .await
        .unwrap_err();
    assert_eq!(bad["code"], -32602, "{bad}");
    let own = ann
        .call("echo.createInvitation", json!({ "space": space }))
        .await
        .unwrap();
    let accept = json!({ "invitation": own["invitationCode"] });
    let refused = ann.call("echo.acceptInvitation", accept).await.unwrap_err();
    assert_eq!(refused["data"]["kind"], "alreadyJoined", "{refused}");
    let cancel = json!({ "space": space, "invitation": own["id"] });
    ann.call("echo.cancelInvitation", cancel.clone())
        .await
        .unwrap();
    assert_eq!(
        ann.call("echo.cancelInvitation", cancel).await.unwrap_err()["code"],
        -32010
    );
    let options = json!({ "space": space, "options": { "authentication": "none", "multiUse": true, "role": "reader", "lifetimeMs": 60000 } });
    let open = ann.call("echo.createInvitation", options).await.unwrap();
    assert_eq!(
        (&open["multiUse"], &open["role"], open.get("authCode")),
        (&json!(true), &json!("reader"), None)
    );
    let flow = ann
        .call(
            "invitation.authenticate",
            json!({ "flow": 99, "code": "123456" }),
        )
        .await;
    assert_eq!(flow.unwrap_err()["code"], -32008);
}
