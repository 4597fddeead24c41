//! Three people with two devices each: six programs, six disks, real network.

use std::collections::BTreeSet;

use crate::halo_commands::join;
use crate::lost_laptop::{add_device, has, import, serve, titles, until};
use crate::processes::Dx;

#[test]
fn three_identities_with_two_devices_each_converge() {
    let home = tempfile::tempdir().unwrap();
    let people = ["Änn", "Bob", "Carl 水"];
    let devices: Vec<[Dx; 2]> = (0..people.len())
        .map(|who| ["desk", "phone"].map(|kind| Dx::new(&home.path().join(format!("{kind}{who}")))))
        .collect();
    let mut identities = BTreeSet::new();
    for ([desk, phone], name) in devices.iter().zip(people) {
        let made = desk.json(&["identity", "create", name]);
        identities.insert(made["identity"].to_string());
        add_device(desk, phone, "Telefon");
    }
    let [first, _] = &devices[0];
    first.json(&["space", "create", "Garten"]);
    for [desk, _] in &devices[1..] {
        join(first, desk, "Garten");
    }

    // Every second device gets the space without an invitation of its own.
    let all: Vec<&Dx> = devices.iter().flatten().collect();
    let mut serving: Vec<_> = all.iter().map(|dx| serve(dx)).collect();
    for serving in &mut serving {
        until(serving, |event| {
            has(event, 1) && event["departure"].is_null()
        });
    }
    drop(serving);

    // Each writes something that no other has seen.
    let notes: Vec<_> = (0..all.len()).map(|n| format!("{n} möhre")).collect();
    for (dx, note) in all.iter().zip(&notes) {
        import(dx, home.path(), &[note]);
    }
    let mut serving: Vec<_> = all.iter().map(|dx| serve(dx)).collect();
    let everything = 1 + u64::try_from(notes.len()).unwrap();
    for serving in &mut serving {
        until(serving, |event| has(event, everything));
    }

    // All six hold the same, and know the same people, while they run.
    let mut hashes = BTreeSet::new();
    for dx in &all {
        assert_eq!(titles(dx), notes);
        let shown = dx.json(&["space", "show", "Garten"]);
        hashes.insert(shown["state_hash"].to_string());
        let members = shown["members"].as_array().unwrap();
        let members = members.iter().map(|member| member["identity"].to_string());
        assert_eq!(members.collect::<BTreeSet<_>>(), identities);
        let devices = dx.json(&["device", "list"]);
        assert_eq!(devices.as_array().unwrap().len(), 2);
    }
    assert_eq!(hashes.len(), 1, "{hashes:?}");
}
