//! Everything that the protocol names is served, and says what its types say.

use std::collections::BTreeSet;

use dxos_host::protocol::METHODS;
use serde_json::{Value, json};

use crate::support::{Page, client_of, serve};

/// Methods that this host does not serve; the document marks them.
const NOT_SERVED: [&str; 2] = ["client.serializeSpace", "client.deserializeSpace"];

#[tokio::test(flavor = "multi_thread")]
async fn every_method_of_the_table_is_served_or_marked_in_the_document() {
    let served = serve().await;
    let mut page = served.page().await;
    let document = include_str!("../../../../docs/host-protocol.md");
    for method in METHODS.iter().filter(|method| method.name != "hello") {
        let name = method.name;
        // What no method takes: nothing is done.
        let refused = page.call(name, json!({ "@": 1 })).await.unwrap_err();
        let is_served = refused["code"] != -32601;
        assert_eq!(is_served, !NOT_SERVED.contains(&name), "{name}: {refused}");
        assert!(
            document.contains(&format!("`{name}`")),
            "{name} is not in the document"
        );
        assert_eq!(
            document.contains(&format!("`{name}` ◌")),
            !is_served,
            "{name}"
        );
        if is_served {
            assert_eq!(refused["code"], -32602, "{name}: {refused}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_is_followed_from_nothing_to_an_identity_with_a_space() {
    let served = serve().await;
    let mut page = served.page().await;
    let status = page.call("client.status", json!({})).await.unwrap();
    assert_eq!(
        (&status["status"], &status["version"]),
        (&json!("active"), &json!(dxos_client::VERSION))
    );
    assert_eq!(
        page.call("halo.identity", json!({})).await.unwrap(),
        Value::Null
    );
    let refused = page.call("echo.createSpace", json!({})).await.unwrap_err();
    assert_eq!(
        (refused["code"].as_i64(), refused["data"]["action"].as_str()),
        (Some(-32006), Some("createIdentity"))
    );
    for (id, topic) in [
        "identity",
        "spaces",
        "contacts",
        "haloInvitations",
        "networkStatus",
        "metrics",
        "status",
    ]
    .iter()
    .enumerate()
    {
        page.subscribe(id as u64, json!({ "topic": topic }), 4)
            .await;
        assert_eq!(page.event(id as u64).await["kind"], "value", "{topic}");
    }
    let ann = json!({ "displayName": "Ann", "fields": { "mood": "good" } });
    let identity = page.call("halo.createIdentity", ann.clone()).await.unwrap();
    assert_eq!(identity["profile"]["fields"]["mood"], "good");
    let shown = page.event_where(0, |event| !event["value"].is_null()).await;
    assert_eq!(shown["value"], identity);
    let twice = page.call("halo.createIdentity", ann).await.unwrap_err();
    assert_eq!(twice["data"]["kind"], "identityExists");

    let create = json!({ "properties": { "name": "Home" } });
    let space = page.call("echo.createSpace", create).await.unwrap();
    assert_eq!(
        (&space["state"], &space["role"]),
        (&json!("ready"), &json!("admin"))
    );
    let spaces = page
        .event_where(1, |event| event["value"].as_array().unwrap().len() == 1)
        .await;
    assert_eq!(spaces["value"][0]["key"], space["key"]);
    let key = space["key"].clone();
    let update = json!({ "space": key, "properties": { "name": "Garden", "icon": "tree" } });
    let updated = page.call("echo.updateSpace", update).await.unwrap();
    assert_eq!(
        updated["properties"],
        json!({ "name": "Garden", "icon": "tree" })
    );
    let update = json!({ "space": key, "properties": { "icon": null } });
    let updated = page.call("echo.updateSpace", update).await.unwrap();
    assert_eq!(updated["properties"], json!({ "name": "Garden" }));
    page.event_where(1, |event| {
        event["value"][0]["properties"] == json!({ "name": "Garden" })
    })
    .await;

    let credentials = page
        .call("echo.credentials", json!({ "space": key }))
        .await
        .unwrap();
    let kinds: BTreeSet<_> = credentials
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["kind"].as_str().unwrap())
        .collect();
    assert!(kinds.contains("space-genesis"), "{kinds:?}");
    let own = page.call("halo.credentials", json!({})).await.unwrap();
    let shown = own[0]["encoded"].clone();
    let present = json!({ "challenge": "AQID", "audience": "example.com", "credentials": [shown] });
    let presented = page.call("halo.presentCredentials", present).await.unwrap();
    assert!(!presented["presentation"].as_str().unwrap().is_empty());
    let phrase = page
        .call("halo.createRecoveryPhrase", json!({}))
        .await
        .unwrap();
    assert_eq!(phrase["phrase"].as_str().unwrap().split(' ').count(), 24);
    let hash = page
        .call("echo.stateHash", json!({ "space": key }))
        .await
        .unwrap();
    assert_eq!(hash["hash"].as_str().unwrap().len(), 52);
    let json = page.call("client.toJson", json!({})).await.unwrap();
    assert_eq!(json["initialized"], true);
    let config = page.call("client.config", json!({})).await.unwrap();
    assert!(config["profile"].is_string());
    assert!(
        page.call("client.usage", json!({})).await.unwrap()["blocks"]
            .as_u64()
            .unwrap()
            > 0
    );
    let offline = page
        .call("echo.createInvitation", json!({ "space": key }))
        .await
        .unwrap_err();
    assert_eq!(offline["data"]["kind"], "noNetwork");
    assert_eq!(
        page.call("mesh.networkStatus", json!({})).await.unwrap()["state"],
        "disabled"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_profile_is_opened_from_a_page() {
    let directory = tempfile::tempdir().unwrap();
    let first = client_of(directory.path())
        .offline()
        .passphrase("open sesame")
        .build();
    first.initialize().await.unwrap();
    first.halo().create_identity("Ann").await.unwrap();
    first.destroy().await.unwrap();

    let client = client_of(directory.path())
        .offline()
        .with(|config| config.keyring.protection = dxos_client::KeyringProtection::Passphrase)
        .build();
    assert!(client.initialize().await.is_err());
    let host = dxos_host::Host::start(client, dxos_host::HostOptions::new()).unwrap();
    let mut page = Page::connect(host.address().port()).await.unwrap();
    page.hello(&host.one_time_token().unwrap()).await.unwrap();
    page.subscribe(1, json!({ "topic": "status" }), 4).await;
    assert_eq!(page.event(1).await["value"]["status"], "locked");
    let locked = page.call("halo.identity", json!({})).await.unwrap_err();
    assert_eq!(
        (locked["code"].as_i64(), locked["data"]["action"].as_str()),
        (Some(-32005), Some("unlock"))
    );
    let wrong = page
        .call("client.unlock", json!({ "passphrase": "x" }))
        .await
        .unwrap_err();
    assert_eq!(wrong["data"]["kind"], "wrongPassphrase", "{wrong}");
    page.call("client.unlock", json!({ "passphrase": "open sesame" }))
        .await
        .unwrap();
    assert_eq!(page.event(1).await["value"]["status"], "active");
    assert_eq!(
        page.call("halo.identity", json!({})).await.unwrap()["profile"]["displayName"],
        "Ann"
    );
    page.call("client.lock", json!({})).await.unwrap();
    page.event_where(1, |event| event["value"]["status"] == "locked")
        .await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_wipes_the_profile_once_it_is_confirmed() {
    let served = serve().await;
    let (mut page, _) = served.page_with_space().await;
    let unsure = page
        .call("client.reset", json!({ "confirm": "yes" }))
        .await
        .unwrap_err();
    assert_eq!(unsure["code"], -32602);
    page.call("client.reset", json!({ "confirm": "wipe-profile" }))
        .await
        .unwrap();
    served.host().reset().await;
    assert!(!served.directory.path().join("profile").exists());
    let after = page.call("halo.identity", json!({})).await.unwrap_err();
    assert_eq!(after["data"]["kind"], "reset");
}
