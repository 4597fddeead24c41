//! Spaces into archives over the wire, and back; and what is no archive.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::support::{Page, serve, serve_limited};

async fn add_note(page: &mut Page, space: &str, text: &str) {
    let op = json!({ "op": "create", "type": "note", "properties": { "text": text } });
    let apply = json!({ "space": space, "ops": [op] });
    page.call("echo.apply", apply).await.unwrap();
}

async fn texts(page: &mut Page, space: &str) -> Vec<String> {
    let read =
        json!({ "space": space, "query": { "filter": { "type_exact": "note" } }, "size": 100 });
    let found = page.call("echo.page", read).await.unwrap();
    let objects = found["objects"].as_array().unwrap();
    let text = |object: &Value| object["properties"]["text"].as_str().unwrap().to_owned();
    let mut texts: Vec<_> = objects.iter().map(text).collect();
    texts.sort();
    texts
}

/// Has an archive made, and reads all of it.
async fn archive(page: &mut Page, number: u32, space: &str, protection: Value) -> (Vec<u8>, usize) {
    let create = json!({ "archive": number, "space": space, "protection": protection });
    let made = page.call("archive.create", create).await.unwrap();
    let (mut bytes, mut at, mut parts) = (Vec::new(), json!(0), 0);
    while !at.is_null() {
        let read = json!({ "archive": number, "at": at });
        let part = page.call("archive.read", read).await.unwrap();
        let part_bytes = part["bytes"].as_str().unwrap().as_bytes();
        bytes.extend(BASE64.decode(part_bytes).unwrap());
        at = part["next"].clone();
        parts += 1;
    }
    assert_eq!(made["bytes"].as_u64(), Some(bytes.len() as u64));
    page.call("archive.drop", json!({ "archive": number }))
        .await
        .unwrap();
    (bytes, parts)
}

async fn hand_in(page: &mut Page, number: u32, bytes: &[u8]) -> Result<(), Value> {
    let mut at = 0;
    let mut parts: Vec<_> = bytes.chunks(300_000).collect();
    if parts.is_empty() {
        parts.push(&[]);
    }
    for part in parts {
        let write = json!({ "archive": number, "at": at, "bytes": BASE64.encode(part) });
        let written = page.call("archive.write", write).await?;
        at += part.len();
        assert_eq!(written["bytes"].as_u64(), Some(at as u64));
    }
    Ok(())
}

async fn space_keys(page: &mut Page) -> Vec<String> {
    let spaces = page.call("echo.spaces", json!({})).await.unwrap();
    let key = |space: &Value| space["key"].as_str().unwrap().to_owned();
    spaces.as_array().unwrap().iter().map(key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_space_goes_out_in_parts_and_comes_back_as_itself_or_as_another_one() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    for n in 0..3 {
        add_note(&mut page, &space, &format!("{n}{}", "x".repeat(200_000))).await;
    }
    let wanted = texts(&mut page, &space).await;
    for protection in [
        json!({ "kind": "plain" }),
        json!({ "kind": "passphrase", "passphrase": "correct horse" }),
    ] {
        let (bytes, parts) = archive(&mut page, 1, &space, protection.clone()).await;
        assert!(parts > 2, "{parts} parts of {} bytes", bytes.len());
        let mut secret = json!({});
        if let Some(passphrase) = protection.get("passphrase") {
            secret["passphrase"] = passphrase.clone();
        }
        let with = |mut params: Value| {
            params["archive"] = json!(2);
            if let Some(passphrase) = secret.get("passphrase") {
                params["passphrase"] = passphrase.clone();
            }
            params
        };
        hand_in(&mut page, 2, &bytes).await.unwrap();
        let contents = page.call("archive.inspect", with(json!({}))).await.unwrap();
        assert_eq!(contents["space"], json!(space));
        assert_eq!(contents["objects"], 3);
        let before = space_keys(&mut page).await.len();
        let same = page.call("archive.restore", with(json!({}))).await.unwrap();
        assert_eq!(same["key"], json!(space));
        assert_eq!(space_keys(&mut page).await.len(), before);
        page.call("archive.drop", json!({ "archive": 2 }))
            .await
            .unwrap();

        hand_in(&mut page, 2, &bytes).await.unwrap();
        let restore = with(json!({ "as": "clone" }));
        let cloned = page.call("archive.restore", restore.clone()).await.unwrap();
        let clone = cloned["key"].as_str().unwrap().to_owned();
        assert_ne!(clone, space);
        assert_eq!(cloned["properties"]["name"], "Home");
        assert_eq!(texts(&mut page, &clone).await, wanted);
        // Its answer was lost: that makes no second clone.
        let again = page.call("archive.restore", restore).await.unwrap();
        assert_eq!(again["key"], json!(clone));
        assert_eq!(space_keys(&mut page).await.len(), before + 1);
        page.call("archive.drop", json!({ "archive": 2 }))
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_read_an_archive_has_to_be_said_and_without_the_passphrase_nothing_happens() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    add_note(&mut page, &space, "secret words").await;
    for protection in [
        Value::Null,
        json!({}),
        json!({ "kind": "none" }),
        json!({ "kind": "passphrase" }),
        json!({ "kind": "passphrase", "passphrase": "" }),
        json!({ "kind": "passphrase", "passphrase": "x".repeat(5000) }),
        json!({ "kind": "plain", "passphrase": "x" }),
    ] {
        let create = json!({ "archive": 1, "space": space, "protection": protection });
        let refused = page.call("archive.create", create).await.unwrap_err();
        assert_eq!(refused["code"], -32602, "{protection}: {refused}");
    }
    let secret = json!({ "kind": "passphrase", "passphrase": "correct horse" });
    let (bytes, _) = archive(&mut page, 1, &space, secret).await;
    let shown = String::from_utf8_lossy(&bytes);
    assert!(!shown.contains("secret words"));
    hand_in(&mut page, 2, &bytes).await.unwrap();
    for (passphrase, kind) in [
        (Value::Null, "archiveNeedsPassphrase"),
        (json!("wrong"), "archiveWrongPassphrase"),
    ] {
        for method in ["archive.inspect", "archive.restore"] {
            let params = json!({ "archive": 2, "passphrase": passphrase });
            let refused = page.call(method, params).await.unwrap_err();
            assert_eq!(refused["data"]["kind"], kind, "{refused}");
            assert_eq!(refused["code"], -32009);
        }
    }
    // A wrong one may be tried again.
    let restore = json!({ "archive": 2, "passphrase": "correct horse" });
    page.call("archive.restore", restore).await.unwrap();
    assert_eq!(space_keys(&mut page).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_archive_is_refused_and_changes_nothing() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    add_note(&mut page, &space, "one").await;
    let (bytes, _) = archive(&mut page, 1, &space, json!({ "kind": "plain" })).await;
    let mut altered = bytes.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    let mut longer = bytes.clone();
    longer.push(0);
    // A preamble that asks for a terabyte of memory to stretch a passphrase.
    let mut greedy = b"dxarch\r\n\x01\x01".to_vec();
    greedy.extend(u32::MAX.to_le_bytes());
    greedy.extend([1, 0, 0, 0, 1, 0, 0, 0]);
    greedy.extend([0; 64]);
    let cases: [(&[u8], &str); 7] = [
        (b"", "archiveEmpty"),
        (b"PK\x03\x04 something else", "notAnArchive"),
        (&bytes[..bytes.len() - 1], "archiveTruncated"),
        (&bytes[..9], "archiveTruncated"),
        (&altered, "archiveAltered"),
        (&longer, "archiveAltered"),
        (&greedy, "archiveTruncated"),
    ];
    for (number, (bytes, kind)) in (10..).zip(cases) {
        hand_in(&mut page, number, bytes).await.unwrap();
        for method in ["archive.inspect", "archive.restore"] {
            let params = json!({ "archive": number, "passphrase": "x" });
            let refused = page.call(method, params).await.unwrap_err();
            let found = refused["data"]["kind"].as_str().unwrap();
            let fits = found == kind || (kind == "archiveTruncated" && found == "archiveAltered");
            assert!(fits, "{kind}: {refused}");
        }
        page.call("archive.drop", json!({ "archive": number }))
            .await
            .unwrap();
    }
    assert_eq!(space_keys(&mut page).await, [space]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_come_in_order_and_of_ones_own_session_and_a_lost_answer_is_given_again() {
    let served = serve().await;
    let (mut page, space) = served.page_with_space().await;
    add_note(&mut page, &space, "one").await;
    let write = |at: u64, bytes: &str| json!({ "archive": 1, "at": at, "bytes": bytes });
    // Where there is none, only the first part begins one.
    let refused = page.call("archive.write", write(4, "AAAA")).await;
    assert_eq!(refused.unwrap_err()["code"], -32008);
    page.call("archive.write", write(0, "AAAA")).await.unwrap();
    let again = page.call("archive.write", write(0, "AAAA")).await.unwrap();
    assert_eq!(again["bytes"], 3);
    let long = "A".repeat(4 * 175_000);
    for part in [
        write(4, "AAAA"),
        write(1, "AAAA"),
        write(u64::MAX, "AAAA"),
        write(3, "no base64!"),
        write(3, &long),
        json!({ "archive": 1, "at": -1, "bytes": "" }),
        json!({ "archive": -1, "at": 0, "bytes": "" }),
    ] {
        let refused = page.call("archive.write", part).await.unwrap_err();
        assert_eq!(refused["code"], -32602, "{refused}");
    }
    // One that is handed in is not read, and no space goes into it.
    let read = json!({ "archive": 1, "at": 0 });
    page.call("archive.read", read.clone()).await.unwrap_err();
    let create = json!({ "archive": 1, "space": space, "protection": { "kind": "plain" } });
    page.call("archive.create", create).await.unwrap_err();

    let create = json!({ "archive": 2, "space": space, "protection": { "kind": "plain" } });
    let made = page.call("archive.create", create.clone()).await.unwrap();
    let again = page.call("archive.create", create).await.unwrap();
    assert_eq!(made, again);
    let beyond = json!({ "archive": 2, "at": made["bytes"].as_u64().unwrap() + 1 });
    let refused = page.call("archive.read", beyond).await.unwrap_err();
    assert_eq!(refused["code"], -32602);
    let restore = page.call("archive.restore", json!({ "archive": 2 })).await;
    assert_eq!(restore.unwrap_err()["code"], -32602);

    let mut other = served.page().await;
    let read = json!({ "archive": 2, "at": 0 });
    let refused = other.call("archive.read", read.clone()).await.unwrap_err();
    assert_eq!(refused["code"], -32008);
    // A lost connection takes nothing away.
    let (token, session) = (
        page.welcome["token"].clone(),
        page.welcome["session"].clone(),
    );
    page.cut();
    let mut page = Page::connect(served.port()).await.unwrap();
    let hello = page.hello_again(token.as_str().unwrap(), session.as_str());
    assert_eq!(hello.await.unwrap()["resumed"], true);
    page.call("archive.read", read).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_are_bounded_in_bytes_and_in_number() {
    let served = serve_limited(|limits| limits.archive_bytes = 100_000).await;
    let (mut page, space) = served.page_with_space().await;
    add_note(&mut page, &space, &"x".repeat(200_000)).await;
    let create = json!({ "archive": 1, "space": space, "protection": { "kind": "plain" } });
    let refused = page.call("archive.create", create).await.unwrap_err();
    assert_eq!(
        (refused["code"].as_i64(), refused["data"]["kind"].as_str()),
        (Some(-32003), Some("tooLarge"))
    );
    let refused = hand_in(&mut page, 2, &vec![0; 200_000]).await.unwrap_err();
    assert_eq!(refused["data"]["kind"], "tooLarge");
    // One that failed leaves room.
    for number in 3..10 {
        hand_in(&mut page, number, b"x").await.unwrap();
    }
    let refused = hand_in(&mut page, 10, b"x").await.unwrap_err();
    assert_eq!(refused["data"]["kind"], "archives");
    page.call("archive.drop", json!({ "archive": 3 }))
        .await
        .unwrap();
    hand_in(&mut page, 10, b"x").await.unwrap();
    page.call("archive.drop", json!({ "archive": 77 }))
        .await
        .unwrap();
}
