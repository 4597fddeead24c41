//! A laptop is lost, as its owner lives it with `dx`: a second device, a stolen profile, and what
//! becomes of it. Real processes, real disks, real network.

use serde_json::Value;

use crate::halo_commands::join;
use crate::processes::{Dx, Running, json_line};

const LOCAL: [&str; 2] = ["--listen", "127.0.0.1:0"];

pub(crate) fn serve(dx: &Dx) -> Running {
    let mut serving = dx.spawn(&[&LOCAL[..], &["--json", "serve"]].concat());
    assert_eq!(json_line(&mut serving)["event"], "ready");
    serving
}

/// Waits for an event of a serving device.
pub(crate) fn until(serving: &mut Running, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let event = json_line(serving);
        assert_ne!(event, Value::Null, "it has ended");
        if wanted(&event) {
            return event;
        }
    }
}

pub(crate) fn has(event: &Value, objects: u64) -> bool {
    event["objects"].as_u64() >= Some(objects) && event["missing_blocks"] == 0
}

/// Another device of the identity, over an invitation.
pub(crate) fn add_device(host: &Dx, device: &Dx, name: &str) {
    let mut inviting = host.spawn(&[&LOCAL[..], &["--json", "device", "invite"]].concat());
    let invited = json_line(&mut inviting);
    let (text, code) = (&invited["invitation"], &invited["code"]);
    let joining = ["device", "join", text.as_str().unwrap(), "--name", name];
    let code = ["--code", code.as_str().unwrap()];
    device.json(&[&LOCAL[..], &joining, &code].concat());
    assert!(inviting.child.wait().unwrap().success());
}

pub(crate) fn import(dx: &Dx, home: &std::path::Path, titles: &[&str]) {
    let lines: Vec<_> = titles
        .iter()
        .map(|title| format!("{{\"title\":\"{title}\"}}\r\n"))
        .collect();
    let file = home.join("notes.jsonl");
    std::fs::write(&file, lines.concat()).unwrap();
    dx.json(&["import", "Garten", file.to_str().unwrap(), "--type", "note"]);
}

pub(crate) fn titles(dx: &Dx) -> Vec<String> {
    let found = dx.json(&["query", "Garten", "type:note"]);
    let notes = found.as_array().unwrap().iter();
    let title = |note: &Value| {
        note["properties"]["title"]
            .as_str()
            .or(note["title"].as_str())
            .unwrap()
            .to_owned()
    };
    let mut titles: Vec<_> = notes.map(title).collect();
    titles.sort();
    titles
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

#[test]
fn a_lost_laptop_is_turned_out_from_the_phone() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let dx = |name: &str| Dx::new(&path(name));
    let (laptop, phone, bob, thief) = (dx("laptop"), dx("phone"), dx("bob"), dx("thief"));
    let lost = laptop.json(&["identity", "create", "Änn"])["device"].clone();
    bob.json(&["identity", "create", "Bob"]);
    laptop.json(&["space", "create", "Garten"]);
    join(&laptop, &bob, "Garten");
    add_device(&laptop, &phone, "Telefon 📱");
    import(&laptop, home.path(), &["1 before"]);

    // All meet, so that the phone and Bob know each other.
    let (mut at_bob, at_laptop) = (serve(&bob), serve(&laptop));
    let mut at_phone = serve(&phone);
    until(&mut at_bob, |event| has(event, 2));
    let two = |event: &Value| has(event, 2) && event["peers"].as_array().map(Vec::len) == Some(2);
    until(&mut at_phone, two);
    drop((at_laptop, at_phone, at_bob));
    copy(&path("laptop"), &path("thief"));
    import(&thief, home.path(), &["2 by the thief"]);

    // The phone turns the laptop out and goes on; Bob hears of it.
    phone.json(&["device", "revoke", lost.as_str().unwrap(), "--yes"]);
    import(&phone, home.path(), &["3 after"]);
    let (mut at_bob, at_phone) = (serve(&bob), serve(&phone));
    until(&mut at_bob, |event| has(event, 3));
    // The thief comes online and is refused by both.
    let at_thief = serve(&thief);
    drop(at_phone);
    import(&phone, home.path(), &["4 later"]);
    let at_phone = serve(&phone);
    until(&mut at_bob, |event| has(event, 4));
    drop((at_thief, at_phone, at_bob));
    let kept = ["1 before", "3 after", "4 later"];
    assert_eq!(titles(&phone), kept);
    assert_eq!(titles(&bob), kept);
    let stolen = titles(&thief);
    assert!(
        !stolen.iter().any(|title| title.starts_with(['3', '4'])),
        "{stolen:?}"
    );
    let devices = phone.json(&["device", "list"]);
    let laptop = devices
        .as_array()
        .unwrap()
        .iter()
        .find(|device| device["device"] == lost);
    assert_eq!(laptop.unwrap()["revoked"], true);
}
