//! Invitations by the program `dx`, between real processes.

use crate::processes::{Dx, json_line};

const LOCAL: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn with<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&LOCAL[..], arguments].concat()
}

#[test]
fn a_kept_invitation_is_listed_served_accepted_and_another_is_cancelled() {
    let home = tempfile::tempdir().unwrap();
    let ann = Dx::new(&home.path().join("a"));
    let bob = Dx::new(&home.path().join("b"));
    let eve = Dx::new(&home.path().join("e"));
    for (dx, name) in [(&ann, "Ann"), (&bob, "Bob"), (&eve, "Eve")] {
        dx.json(&["identity", "create", name]);
    }
    ann.json(&["space", "create", "Work"]);
    let create = ["invitation", "create", "Work", "--persistent", "--qr"];
    let kept = ann.json(&with(&create));
    assert!(kept["qr"].as_str().unwrap().contains('█'));
    let link = kept["link"].as_str().unwrap();
    assert!(link.starts_with("dxos://join/dx1_"), "{link}");
    let delegated = ["--delegated", "--auth", "key", "--expires", "2h"];
    let delegated = ann.json(&with(&[&create[..3], &delegated].concat()));
    let listed = ann.json(&with(&["invitation", "list", "Work"]));
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let of_kept = listed.as_array().unwrap();
    let of_kept = of_kept.iter().find(|row| row["id"] == kept["id"]).unwrap();
    assert_eq!(of_kept["code"], kept["code"]);
    assert_eq!(of_kept["invitation"], kept["invitation"]);

    ann.json(&["invitation", "cancel", delegated["id"].as_str().unwrap()]);
    let again = ann.output(&["invitation", "cancel", delegated["id"].as_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1));

    let mut serve = ann.spawn(&with(&["--json", "serve"]));
    assert_eq!(json_line(&mut serve)["event"], "ready");
    let code = kept["code"].as_str().unwrap();
    let joined = bob.json(&with(&["invitation", "accept", link, "--code", code]));
    assert_eq!(joined["role"], "editor");
    // Cancelled is cancelled, and used is used.
    for text in [link, delegated["link"].as_str().unwrap()] {
        let late = eve.output(&with(&["invitation", "accept", text, "--code", code]));
        assert_eq!(late.status.code(), Some(1), "{late:?}");
    }
    let garbled = eve.output(&["invitation", "accept", &link[..link.len() - 2]]);
    assert!(String::from_utf8_lossy(&garbled.stderr).contains("garbled"));
}

#[test]
fn a_second_device_joins_by_the_program() {
    let home = tempfile::tempdir().unwrap();
    let ann = Dx::new(&home.path().join("a"));
    let phone = Dx::new(&home.path().join("p"));
    let own = ann.json(&["identity", "create", "Ann"]);
    let mut host = ann.spawn(&with(&["--json", "device", "invite"]));
    let invited = json_line(&mut host);
    assert_eq!(invited["kind"], "device");
    let (text, code) = (
        invited["invitation"].as_str().unwrap(),
        invited["code"].as_str().unwrap(),
    );
    let joined = phone.json(&with(&[
        "device", "join", text, "--code", code, "--name", "Phone",
    ]));
    assert_eq!(joined["identity"], own["identity"]);
    assert_ne!(joined["device"], own["device"]);
    let shown = phone.json(&["identity", "show"]);
    assert_eq!(shown["identity"], own["identity"]);
    assert_eq!(shown["display_name"], "Ann");
}
