//! `dx identity`, `dx device`, `dx member` and `dx space leave`, as a user or a script runs them.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::processes::{Dx, json_line};

/// Where the devices of a test listen.
const LOCAL: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// Runs a command that must fail with `code`, and returns what it says.
pub(crate) fn failure(dx: &Dx, code: i32, arguments: &[&str]) -> String {
    let output = dx.output(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    text
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// `guest` joins a space of `host`.
pub(crate) fn join(host: &Dx, guest: &Dx, space: &str) {
    let invite = ["--json", "space", "invite", space];
    let mut inviting = host.spawn(&[&LOCAL[..], &invite].concat());
    let invited = json_line(&mut inviting);
    let (invitation, code) = (text(&invited["invitation"]), text(&invited["code"]));
    let joining = ["space", "join", invitation, "--code", code];
    guest.json(&[&LOCAL[..], &joining].concat());
    assert!(inviting.child.wait().unwrap().success());
}

#[test]
fn an_identity_is_created_shown_and_changed() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("p"));
    for early in [
        &["identity", "show"][..],
        &["identity", "update", "--name", "x"],
        &["identity", "phrase"],
        &["identity", "credentials"],
        &["identity", "sign", "c", "--audience", "a"],
        &["device", "list"],
    ] {
        let error = failure(&dx, 1, early);
        assert!(error.contains("no identity yet"), "{early:?}: {error}");
    }
    let avatar = "https://example.com/ann.png";
    let create = ["identity", "create", "Änn 水", "--avatar", avatar];
    let fields = ["--field", "Ort=Köln", "--field", "x=a=b"];
    let created = dx.json(&[&create[..], &fields].concat());
    assert_eq!(created["display_name"], "Änn 水");
    assert_eq!(created["avatar"], avatar);
    assert_eq!(created["fields"], json!({ "Ort": "Köln", "x": "a=b" }));
    assert_eq!(dx.json(&["identity", "show"]), created);
    let again = failure(&dx, 1, &["identity", "create", "Bob"]);
    assert!(
        again.contains("already has the identity") && again.contains("another profile"),
        "{again}"
    );

    let change = ["--unset", "x", "--field", "Ort=Bonn", "--avatar", ""];
    let updated = dx.json(&[&["identity", "update", "--name", "Ann"], &change[..]].concat());
    assert_eq!(updated["display_name"], "Ann");
    assert_eq!(updated["avatar"], Value::Null);
    assert_eq!(updated["fields"], json!({ "Ort": "Bonn" }));
    assert_eq!(dx.json(&["identity", "show"]), updated);

    let unknown = failure(&dx, 1, &["identity", "update", "--unset", "y"]);
    assert!(
        unknown.contains("\"y\"") && unknown.contains("Ort"),
        "{unknown}"
    );
    let steering = failure(&dx, 1, &["identity", "update", "--name", "a\u{1b}[2J"]);
    assert!(steering.contains("profile cannot be used"), "{steering}");
    failure(&dx, 2, &["identity", "update"]);
    let form = failure(&dx, 2, &["identity", "update", "--field", "x"]);
    assert!(form.contains("KEY=VALUE"), "{form}");
    assert_eq!(dx.json(&["identity", "show"]), updated);
    assert_eq!(dx.json(&["identity", "contacts"]), json!([]));

    let credentials = dx.json(&["identity", "credentials"]);
    let credentials = credentials.as_array().unwrap();
    let genesis = credentials
        .iter()
        .find(|credential| credential["type"] == "space-genesis");
    let genesis = genesis.unwrap();
    assert_eq!(genesis["about"], created["identity"]);
    assert_eq!(genesis["counts"], true);
    let unknown = ["identity", "credentials", "--space", "Garten"];
    assert!(failure(&dx, 1, &unknown).contains("Garten"));
}

#[test]
fn an_identity_is_proven_to_whoever_asked_and_to_nobody_else() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("p"));
    let ann = dx.json(&["identity", "create", "Ann"]);
    let sign = ["identity", "sign", "Möhre-17", "--audience", "example.com"];
    let signed = dx.json(&sign);
    let proof = text(&signed["presentation"]);

    // No profile is there, and none is made.
    let nowhere = home.path().join("nowhere");
    let verifier = Dx::new(&nowhere);
    let verify = |proof: &str, challenge: &str, audience: &str| {
        let arguments = [
            "identity",
            "verify",
            proof,
            challenge,
            "--audience",
            audience,
        ];
        verifier.output(&[&arguments[..], &["--json"]].concat())
    };
    let good = verify(proof, "Möhre-17", "example.com");
    let good: Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!(good["identity"], ann["identity"]);
    assert_eq!(good["device"], ann["device"]);
    let mut reading = verifier
        .command(&[
            "identity",
            "verify",
            "-",
            "Möhre-17",
            "--audience",
            "example.com",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = reading.stdin.take().unwrap();
    write!(stdin, "{proof}\r\n").unwrap();
    drop(stdin);
    assert!(reading.wait().unwrap().success());
    assert!(!nowhere.exists());

    let cut = proof.get(..proof.len() - 8).unwrap();
    for (proof, challenge, audience, said) in [
        (proof, "Möhre-18", "example.com", "another challenge"),
        (
            proof,
            "Möhre-17",
            "example.org",
            "another challenge or audience",
        ),
        (cut, "Möhre-17", "example.com", "garbled"),
        ("hello", "Möhre-17", "example.com", "no presentation"),
    ] {
        let bad = verify(proof, challenge, audience);
        let error = String::from_utf8(bad.stderr).unwrap();
        assert_eq!(bad.status.code(), Some(1), "{error}");
        assert!(error.contains(said), "{error}");
        assert!(bad.stdout.is_empty());
    }
    failure(&dx, 2, &["identity", "sign", "x"]);
    failure(&dx, 2, &["identity", "sign", "x", "--audience", ""]);
    // What answers no challenge could be shown again.
    let empty = ["identity", "sign", "", "--audience", "example.com"];
    failure(&dx, 2, &empty);
    // Scripts read also what is wrong with a command line.
    let scripted = failure(&dx, 2, &[&empty[..], &["--json"]].concat());
    let scripted: Value = serde_json::from_str(&scripted).unwrap();
    assert!(text(&scripted["error"]).contains("CHALLENGE"), "{scripted}");
}

#[test]
fn devices_and_phrases_are_listed_named_and_revoked() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("p"));
    let ann = dx.json(&["identity", "create", "Ann"]);
    let this = text(&ann["device"]);
    let devices = dx.json(&["device", "list"]);
    assert_eq!(devices.as_array().unwrap().len(), 1);
    assert_eq!(devices[0]["device"], this);
    assert_eq!(devices[0]["current"], true);

    // By a beginning of its key, then by its name.
    let renamed = dx.json(&["device", "rename", &this[..6], "Büro"]);
    assert_eq!(renamed[0]["name"], "Büro");
    let set = dx.json(&["device", "set", "Büro", "theme", "dark"]);
    assert_eq!(set[0]["preferences"], json!({ "theme": "dark" }));
    let forgotten = dx.json(&["device", "set", "Büro", "theme"]);
    assert_eq!(forgotten[0]["preferences"], json!({}));

    let shown = dx.output(&["identity", "phrase"]);
    let notice = String::from_utf8(shown.stderr).unwrap();
    assert!(notice.contains("Write them down"), "{notice}");
    let words = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(words.split_whitespace().count(), 2 * 24, "{words}");
    let made = dx.json(&["identity", "phrase"]);
    assert_eq!(text(&made["phrase"]).split(' ').count(), 24);
    let key = text(&made["key"]);
    let find = |devices: &Value| {
        let devices = devices.as_array().unwrap();
        let found = devices.iter().find(|device| device["device"] == key);
        found.unwrap().clone()
    };
    let phrase = find(&dx.json(&["device", "list"]));
    assert_eq!(phrase["kind"], "recovery-phrase");
    assert_eq!(phrase["revoked"], false);
    let revoked = dx.json(&["device", "revoke", &key[..8], "--yes"]);
    assert_eq!(find(&revoked)["revoked"], true);

    let own = failure(&dx, 1, &["device", "revoke", "Büro", "--yes"]);
    assert!(own.contains("another one"), "{own}");
    let gone = failure(&dx, 1, &["device", "rename", key, "x"]);
    assert!(gone.contains("was revoked"), "{gone}");
    for unknown in ["nobody", "", &this[..3]] {
        let error = failure(&dx, 1, &["device", "rename", unknown, "x"]);
        assert!(error.contains("dx device list"), "{error}");
    }
    failure(&dx, 1, &["device", "rename", this, "a\u{7}b"]);
    let table = dx.output(&["device", "list"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("Büro") && table.contains("this one") && table.contains("revoked"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_phrase_that_could_not_be_shown_is_worthless() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("p"));
    dx.json(&["identity", "create", "Ann"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let ended = dx
        .command(&["identity", "phrase"])
        .stdout(full.unwrap())
        .output()
        .unwrap();
    let error = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{error}");
    assert!(error.contains("could not be written"), "{error}");
    let devices = dx.json(&["device", "list"]);
    let phrases = devices.as_array().unwrap().iter();
    let mut phrases = phrases.filter(|device| device["kind"] == "recovery-phrase");
    assert!(phrases.all(|phrase| phrase["revoked"] == true), "{devices}");
}

#[test]
fn members_are_listed_given_roles_removed_and_leave() {
    let home = tempfile::tempdir().unwrap();
    let dx = |name: &str| Dx::new(&home.path().join(name));
    let (ann, bob) = (dx("a"), dx("b"));
    ann.json(&["identity", "create", "Ann"]);
    let bobs = bob.json(&["identity", "create", "Bob Ü"]);
    ann.json(&["space", "create", "Küche"]);
    join(&ann, &bob, "Küche");

    let members = ann.json(&["member", "list", "Küche"]);
    let role_of = |members: &Value| {
        let members = members.as_array().unwrap().clone();
        let bob = members
            .into_iter()
            .find(|member| member["identity"] == bobs["identity"]);
        bob.map(|bob| text(&bob["role"]).to_lowercase())
    };
    assert_eq!(role_of(&members).as_deref(), Some("editor"));
    assert_eq!(
        ann.json(&["identity", "contacts"])[0]["display_name"],
        "Bob Ü"
    );
    let shown = ann.json(&["identity", "credentials", "--space", "Küche"]);
    assert!(shown.to_string().contains("space-member"), "{shown}");

    // What Bob may not do, and what nobody can do.
    let refused = failure(&bob, 1, &["member", "remove", "Küche", "Ann", "--yes"]);
    assert!(refused.contains("may not"), "{refused}");
    let alone = failure(&ann, 1, &["space", "leave", "Küche", "--yes"]);
    assert!(
        alone.contains("last admin") && alone.contains("--successor"),
        "{alone}"
    );
    let last = failure(&ann, 1, &["member", "role", "Küche", "Ann", "reader"]);
    assert!(last.contains("last admin"), "{last}");
    let nobody = failure(&ann, 1, &["member", "remove", "Küche", "Carl"]);
    assert!(
        nobody.contains("\"Carl\"") && nobody.contains("dx member list"),
        "{nobody}"
    );
    let nowhere = failure(&ann, 1, &["member", "list", "Keller"]);
    assert!(nowhere.contains("Keller"), "{nowhere}");
    failure(&ann, 2, &["member", "role", "Küche", "Bob Ü", "king"]);

    let reader = ann.json(&["member", "role", "Küche", "Bob Ü", "reader"]);
    assert_eq!(role_of(&reader).as_deref(), Some("reader"));
    let key = text(&bobs["identity"]);
    let removed = ann.json(&["member", "remove", "Küche", &key[..5], "--yes"]);
    assert_eq!(role_of(&removed), None);

    // Ann hands the next space over to Bob.
    ann.json(&["space", "create", "Hof"]);
    join(&ann, &bob, "Hof");
    let leave = ["space", "leave", "Hof", "--successor", "Bob Ü"];
    let unasked = failure(&ann, 1, &leave);
    assert!(unasked.contains("--yes"), "{unasked}");
    ann.json(&[&leave[..], &["--yes"]].concat());
    let left = ann.json(&["member", "list", "Hof"]);
    assert_eq!(role_of(&left).as_deref(), Some("admin"));
    assert_eq!(left.as_array().unwrap().len(), 1);
}
