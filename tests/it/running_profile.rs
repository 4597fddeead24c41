//! Commands on a profile that `dx serve` has open, and what protects it.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::halo_commands::{failure, join};
use crate::lost_laptop::{add_device, serve, until};
use crate::processes::{Dx, Running, json_line};

fn stdout(dx: &Dx, arguments: &[&str]) -> String {
    let output = dx.output(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asks until the answer is as wanted: who is online comes and goes with the network.
fn ask_until(dx: &Dx, arguments: &[&str], wanted: impl Fn(&Value) -> bool) {
    while !wanted(&dx.json(arguments)) {}
}

#[test]
fn while_it_serves_commands_go_on_and_tell_who_is_online() {
    let home = tempfile::tempdir().unwrap();
    let dx = |name: &str| Dx::new(&home.path().join(name));
    let (ann, phone, bob) = (dx("ann"), dx("phone"), dx("bob"));
    ann.json(&["identity", "create", "Ann"]);
    let bobs = bob.json(&["identity", "create", "Bob"]);
    ann.json(&["space", "create", "Küche"]);
    add_device(&ann, &phone, "Telefon 📱");
    join(&ann, &bob, "Küche");
    let offline = stdout(&ann, &["member", "list", "Küche"]);
    assert!(!offline.contains("yes"), "{offline}");

    let mut at_ann = serve(&ann);
    let (at_bob, at_phone) = (serve(&bob), serve(&phone));
    let online = |list: &Value, key: &str, of: &Value| {
        let list = list.as_array().unwrap();
        let found = list.iter().find(|row| row[key] == *of);
        found.is_some_and(|row| row["online"] == true)
    };
    let of_bob = |list: &Value| online(list, "identity", &bobs["identity"]);
    ask_until(&ann, &["member", "list", "Küche"], of_bob);
    ask_until(&ann, &["identity", "contacts"], of_bob);
    let devices = |list: &Value| {
        let list = list.as_array().unwrap();
        list.iter()
            .filter(|device| device["online"] == true)
            .count()
            == 2
    };
    ask_until(&ann, &["device", "list"], devices);
    let shown = stdout(&ann, &["device", "list"]);
    assert!(
        shown.contains("Telefon 📱") && shown.contains("yes"),
        "{shown}"
    );
    let status = ann.json(&["status"]);
    assert_eq!(
        status["network"]["connections"].as_array().map(Vec::len),
        Some(2)
    );

    // What is changed is changed for all of them, at once.
    ann.json(&["space", "create", "Hof"]);
    until(&mut at_ann, |event| {
        event["objects"] == 1 && event["peers"] == json!([])
    });
    ann.json(&["member", "role", "Küche", "Bob", "reader"]);
    ask_until(&bob, &["member", "list", "Küche"], |list| {
        list.to_string().contains("\"reader\"")
    });
    let unasked = failure(&ann, 1, &["member", "remove", "Küche", "Bob"]);
    assert!(unasked.contains("--yes"), "{unasked}");
    ann.json(&["member", "remove", "Küche", "Bob", "--yes"]);
    let unknown = failure(&ann, 1, &["space", "show", "Keller"]);
    assert!(unknown.contains("\"Keller\""), "{unknown}");

    // Bob is told, in words; and what he is no member of makes no contact any more.
    let mut last = String::new();
    while !last.contains("removed by") {
        last = stdout(&bob, &["space", "list"]);
    }
    assert!(stdout(&bob, &["space", "show", "Küche"]).contains("removed by"));
    assert!(stdout(&bob, &["status"]).contains("removed by"));
    assert_eq!(bob.json(&["identity", "contacts"]), json!([]));

    // Some commands need the profile for themselves, and say so.
    let phrase = failure(&ann, 1, &["identity", "phrase"]);
    assert!(phrase.contains("stop that one"), "{phrase}");
    // After a kill the profile is where commands find it.
    drop((at_ann, at_bob, at_phone));
    assert!(home.path().join("ann/control").exists());
    assert_eq!(ann.json(&["space", "list"]).as_array().unwrap().len(), 2);
}

#[test]
fn a_guest_is_invited_and_joins_while_both_serve() {
    let home = tempfile::tempdir().unwrap();
    let dx = |name: &str| Dx::new(&home.path().join(name));
    let (ann, bob) = (dx("ann"), dx("bob"));
    ann.json(&["identity", "create", "Ann"]);
    bob.json(&["identity", "create", "Bob"]);
    ann.json(&["space", "create", "Küche"]);
    let (mut at_ann, _at_bob) = (serve(&ann), serve(&bob));
    until(&mut at_ann, |event| event["event"] == "space");

    // One that waits for the guest, and is stopped: nobody can use it any more.
    let mut stopped = ann.spawn(&["--json", "space", "invite", "Küche"]);
    let void = json_line(&mut stopped);
    stopped.kill();
    ask_until(&ann, &["invitation", "list", "Küche"], |open| {
        *open == json!([])
    });
    let (text, code) = (&void["invitation"], &void["code"]);
    let accept = ["space", "join", text.as_str().unwrap(), "--code"];
    failure(&bob, 1, &[&accept[..], &[code.as_str().unwrap()]].concat());

    // One by the processes that serve.
    join(&ann, &bob, "Küche");
    let members = ann.json(&["member", "list", "Küche"]);
    assert_eq!(members.as_array().unwrap().len(), 2);
}

#[test]
fn a_stranger_on_the_port_of_a_killed_one_learns_nothing_and_is_not_believed() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("p"));
    dx.json(&["identity", "create", "Ann"]);
    drop(serve(&dx));
    let control = std::fs::read(home.path().join("p/control")).unwrap();
    let port = u16::from_le_bytes([control[0], control[1]]);
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut asking = dx.command(&["identity", "show", "--json"]);
    let asking = asking.stdout(Stdio::piped()).spawn().unwrap();
    let (mut stranger, _) = listener.accept().unwrap();
    // A nonce, and a frame that says something.
    stranger.write_all(&[7; 32]).unwrap();
    stranger.write_all(&[60, 0, 0, 0]).unwrap();
    stranger.write_all(&[0; 60]).unwrap();
    let mut heard = Vec::new();
    drop(stranger.read_to_end(&mut heard));
    let shown = asking.wait_with_output().unwrap();
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["display_name"], "Ann");
    assert_eq!(heard.len(), 32, "the nonce, and nothing else");
}

fn write(path: &Path, text: &str) -> String {
    std::fs::write(path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_passphrase_is_set_changed_and_taken_away_also_while_it_serves() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("p"));
    // As editors save it; the second as another keyboard gives the same letters.
    let first = write(&home.path().join("1"), "\u{feff}Schlüssel 🔑\r\n");
    let second = write(&home.path().join("2"), "Mo\u{308}hre");
    let as_typed_elsewhere = "Möhre";
    dx.json(&["identity", "create", "Ann"]);
    assert_eq!(dx.json(&["keyring", "show"])["protection"], "key-file");
    let nobody = failure(&dx, 1, &["keyring", "protect", "passphrase"]);
    assert!(nobody.contains("--new-passphrase-file"), "{nobody}");
    let protect = ["keyring", "protect", "passphrase", "--new-passphrase-file"];
    let set = dx.json(&[&protect[..], &[&first]].concat());
    assert_eq!(set["protection"], "passphrase");
    assert!(!home.path().join("p/key").exists());

    // Nothing opens it but the passphrase, and the configuration need not say so.
    let without = failure(&dx, 1, &["identity", "show"]);
    assert!(without.contains("DX_PASSPHRASE") && without.contains("--profile-passphrase-file"));
    let wrong = failure(
        &dx,
        1,
        &["--profile-passphrase-file", &second, "identity", "show"],
    );
    assert!(wrong.contains("wrong passphrase"), "{wrong}");
    let shown = dx.json(&["--profile-passphrase-file", &first, "identity", "show"]);
    assert_eq!(shown["display_name"], "Ann");

    // A running one is locked, forgets, and is unlocked again.
    let local = [
        "--listen",
        "127.0.0.1:0",
        "--profile-passphrase-file",
        &first,
    ];
    let mut serving = dx.spawn(&[&local[..], &["--json", "serve"]].concat());
    until(&mut serving, |event| event["event"] == "ready");
    dx.json(&["identity", "show"]);
    dx.json(&["lock"]);
    until(&mut serving, |event| event["event"] == "locked");
    let locked = failure(&dx, 1, &["identity", "show"]);
    assert!(locked.contains("dx unlock"), "{locked}");
    let nothing = failure(&dx, 1, &["unlock"]);
    assert!(nothing.contains("asks for a passphrase"), "{nothing}");
    let wrong = failure(&dx, 1, &["unlock", "--profile-passphrase-file", &second]);
    assert!(wrong.contains("wrong passphrase"), "{wrong}");
    dx.json(&["unlock", "--profile-passphrase-file", &first]);
    until(&mut serving, |event| event["event"] == "unlocked");
    // It is changed while it runs.
    dx.json(&[&protect[..], &[&second]].concat());
    drop(serving);
    let old = failure(
        &dx,
        1,
        &["--profile-passphrase-file", &first, "identity", "show"],
    );
    assert!(old.contains("wrong passphrase"), "{old}");
    let mut elsewhere = dx.command(&["identity", "show", "--json"]);
    let elsewhere = elsewhere.env("DX_PASSPHRASE", as_typed_elsewhere).output();
    let elsewhere = elsewhere.unwrap();
    assert!(elsewhere.status.success(), "{}", said(&elsewhere));

    let back = [
        "--profile-passphrase-file",
        &second,
        "keyring",
        "protect",
        "key-file",
    ];
    assert_eq!(dx.json(&back)["protection"], "key-file");
    dx.json(&["identity", "show"]);
    // With nothing that runs there is nothing to lock.
    assert_eq!(dx.json(&["lock"])["open"], false);
    let unlock = failure(&dx, 1, &["unlock"]);
    assert!(unlock.contains("nothing to unlock"), "{unlock}");
}

#[test]
fn the_passphrase_in_the_environment_of_what_was_locked_unlocks_it_for_nobody() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("ann"));
    let right = write(&home.path().join("right"), "right");
    let wrong = write(&home.path().join("wrong"), "wrong");
    let create = ["identity", "create", "Ann", "--profile-passphrase-file"];
    dx.json(&[&create[..], &[&right]].concat());
    let mut serving = dx.command(&["--listen", "127.0.0.1:0", "--json", "serve"]);
    let serving = serving.env("DX_PASSPHRASE", "right").stdout(Stdio::piped());
    let mut serving = Running::of(serving.spawn().unwrap());
    until(&mut serving, |event| event["event"] == "ready");
    let lock = dx.output(&["lock"]);
    assert!(said(&lock).contains("DX_PASSPHRASE"), "{}", said(&lock));

    let nothing = failure(&dx, 1, &["unlock"]);
    assert!(nothing.contains("asks for a passphrase"), "{nothing}");
    let refused = failure(&dx, 1, &["unlock", "--profile-passphrase-file", &wrong]);
    assert!(refused.contains("wrong passphrase"), "{refused}");
    let locked = failure(&dx, 1, &["identity", "show"]);
    assert!(locked.contains("dx unlock"), "{locked}");
    dx.json(&["unlock", "--profile-passphrase-file", &right]);
    dx.json(&["identity", "show"]);
}

#[test]
fn a_chain_is_shown_and_checked_without_profile_or_network() {
    let home = tempfile::tempdir().unwrap();
    let dx = |name: &str| Dx::new(&home.path().join(name));
    let (ann, phone, nobody) = (dx("ann"), dx("phone"), dx("nobody"));
    let made = ann.json(&["identity", "create", "Ann"]);
    add_device(&ann, &phone, "Telefon");
    let shown = phone.json(&["identity", "chain"]);
    let chain = shown["chain"].as_str().unwrap();
    let good = nobody.json(&["identity", "verify-chain", chain]);
    assert_eq!(good["identity"], made["identity"]);
    assert_eq!(good["device"], phone.json(&["identity", "show"])["device"]);
    let links = good["links"].as_array().unwrap();
    assert_eq!(links.len(), 2);
    assert_eq!(links[0]["about"], made["device"]);
    let identity = made["identity"].as_str().unwrap();
    nobody.json(&["identity", "verify-chain", chain, "--identity", identity]);

    // From standard input, with the mark that editors set.
    let mut reading = nobody
        .command(&["identity", "verify-chain", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = reading.stdin.take().unwrap();
    write!(stdin, "\u{feff}{chain}\r\n").unwrap();
    drop(stdin);
    assert!(reading.wait().unwrap().success());
    assert!(!home.path().join("nobody").exists());

    let other = dx("other").json(&["identity", "create", "Eve"]);
    let other = other["identity"].as_str().unwrap();
    let of_other = ["identity", "verify-chain", chain, "--identity", other];
    assert!(failure(&nobody, 1, &of_other).contains("not of"));
    let cut = &chain[..chain.len() - 4];
    assert!(failure(&nobody, 1, &["identity", "verify-chain", cut]).contains("garbled"));
}

#[test]
fn errors_name_the_command_that_helps() {
    let home = tempfile::tempdir().unwrap();
    let dx = |name: &str| Dx::new(&home.path().join(name));
    let (ann, fresh) = (dx("ann"), dx("fresh"));
    ann.json(&["identity", "create", "Ann"]);
    let early = failure(&fresh, 1, &["space", "create", "x"]);
    assert!(early.contains("dx identity create"), "{early}");
    let local = ["--listen", "127.0.0.1:0", "--json"];
    let mut inviting = ann.spawn(&[&local[..], &["device", "invite"]].concat());
    let invited = json_line(&mut inviting);
    let invitation = invited["invitation"].as_str().unwrap();
    let wrong = failure(&fresh, 1, &["space", "join", invitation]);
    assert!(wrong.contains("dx device join"), "{wrong}");
    drop(inviting);

    let device = ann.json(&["identity", "show"])["device"].clone();
    let device = device.as_str().unwrap();
    let name = failure(&ann, 1, &["device", "rename", device, ""]);
    assert!(name.contains("a device cannot have this name"), "{name}");
    let key = failure(&ann, 1, &["device", "set", device, "", "v"]);
    assert!(key.contains("name is empty"), "{key}");
    let long = "v".repeat(100_000);
    let value = failure(&ann, 1, &["device", "set", device, "k", &long]);
    assert!(
        value.contains("100000 bytes") && value.contains("4096"),
        "{value}"
    );
    // A device is no member: it has no role of its own, and reads all.
    for to_spaces in [&["--role", "reader"][..], &["--no-history"]] {
        let said = failure(&ann, 2, &[&["device", "invite"], to_spaces].concat());
        assert!(said.contains(to_spaces[0]), "{said}");
    }
    let offline = failure(&ann, 1, &["--offline", "device", "invite"]);
    assert!(offline.contains("--offline"), "{offline}");
    let alone = failure(
        &ann,
        1,
        &["--offline", "member", "role", "x", "y", "reader"],
    );
    assert!(alone.contains("\"x\""), "{alone}");
}

#[cfg(unix)]
#[test]
fn a_profile_that_others_could_read_is_made_private_again() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("p");
    let dx = Dx::new(&profile);
    dx.json(&["identity", "create", "Ann"]);
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    set(&profile, 0o755);
    set(&profile.join("key"), 0o644);
    let output = dx.output(&["identity", "show"]);
    assert!(output.status.success());
    let text = said(&output);
    assert!(text.contains("755") && text.contains("644"), "{text}");
    assert_eq!((mode(&profile), mode(&profile.join("key"))), (0o700, 0o600));
    let again = dx.output(&["identity", "show"]);
    assert_eq!(said(&again), "");
}
