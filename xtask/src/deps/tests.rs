use super::{
    check::{Breach, Import, Kind, Package, Rules, check},
    features,
};
use crate::floors::{Exception, FLOORS, TEST_FEATURES};

fn package(name: &str, imports: &[(&str, Kind)]) -> Package {
    Package {
        name: name.to_owned(),
        imports: imports
            .iter()
            .map(|(name, kind)| Import {
                name: (*name).to_owned(),
                kind: *kind,
                local: name.starts_with("dxos-"),
            })
            .collect(),
    }
}

fn ours(packages: &[Package]) -> Vec<Breach> {
    check(packages, &Rules::OURS)
}

#[test]
fn imports_that_go_down_pass() {
    let packages = [
        package("dxos-keys", &[("serde", Kind::Normal)]),
        package(
            "dxos-echo",
            &[("dxos-keys", Kind::Normal), ("dxos-store", Kind::Dev)],
        ),
        package("dxos-store", &[("dxos-store", Kind::Dev)]),
        package(
            "dxos-benches",
            &[("dxos-sim", Kind::Normal), ("dxos-client", Kind::Build)],
        ),
    ];
    assert_eq!(ours(&packages), []);
}

#[test]
fn an_import_that_goes_up_fails() {
    let packages = [package("dxos-keys", &[("dxos-feed", Kind::Normal)])];
    let breaches = ours(&packages);
    assert_eq!(
        breaches,
        [Breach::Floor {
            from: "dxos-keys".into(),
            from_floor: 0,
            to: "dxos-feed".into(),
            to_floor: 1,
            kind: Kind::Normal,
        }]
    );
    let text = breaches[0].to_string();
    assert!(
        text.starts_with("dxos-keys (floor 0) -> dxos-feed (floor 1): this dependency goes up")
    );
}

#[test]
fn an_import_that_goes_sideways_fails_in_every_kind() {
    for kind in [Kind::Normal, Kind::Build, Kind::Dev] {
        let breaches = ours(&[package("dxos-echo", &[("dxos-halo", kind)])]);
        assert_eq!(breaches.len(), 1, "{kind}");
        assert!(breaches[0].to_string().contains("goes sideways"), "{kind}");
    }
}

#[test]
fn a_normal_import_of_itself_fails() {
    assert_eq!(
        ours(&[package("dxos-store", &[("dxos-store", Kind::Normal)])]).len(),
        1
    );
}

#[test]
fn a_package_that_the_table_does_not_know_fails() {
    let packages = [
        package("dxos-blobs", &[("dxos-keys", Kind::Normal)]),
        package("dxos-echo", &[("dxos-blobs", Kind::Normal)]),
    ];
    let unknown = Breach::Unknown {
        package: "dxos-blobs".into(),
    };
    assert_eq!(ours(&packages), [unknown]);
}

#[test]
fn an_import_past_a_wall_fails_even_in_tests() {
    for kind in [Kind::Normal, Kind::Dev] {
        let breaches = ours(&[package("dxos-client", &[("quinn", kind)])]);
        assert!(
            matches!(breaches.as_slice(), [Breach::Wall { from, to, .. }]
                if from == "dxos-client" && to == "quinn"),
            "{breaches:?}"
        );
    }
    assert_eq!(
        ours(&[package("dxos-quic", &[("quinn", Kind::Normal)])]),
        []
    );
}

#[test]
fn the_task_runner_links_nothing() {
    let breaches = ours(&[package(
        "xtask",
        &[("dxos-keys", Kind::Normal), ("clap", Kind::Normal)],
    )]);
    assert!(matches!(breaches.as_slice(), [Breach::LinksNothing { .. }]));
}

#[test]
fn exceptions_are_for_dev_dependencies_and_must_be_needed() {
    let exceptions = [Exception {
        from: "dxos-echo",
        to: "dxos-store-fjall",
        reason: "the example keeps its data on disk",
    }];
    let rules = Rules {
        exceptions: &exceptions,
        ..Rules::OURS
    };
    let echo = |kind| [package("dxos-echo", &[("dxos-store-fjall", kind)])];
    assert_eq!(check(&echo(Kind::Dev), &rules), []);
    assert!(
        check(&echo(Kind::Normal), &rules)
            .iter()
            .any(|breach| matches!(breach, Breach::Floor { .. }))
    );
    assert!(matches!(
        check(&[package("dxos-echo", &[])], &rules).as_slice(),
        [Breach::StaleException { .. }]
    ));
}

#[test]
fn features_for_tests_do_not_reach_what_is_shipped() {
    let tree = "dxos-client v0.1.0 (/src/crates/client)|\n\
                dxos-store v0.1.0 (/src/crates/store)|conformance,default\n\
                tokio v1.54.1|rt,sync,test-util (*)\n\
                tokio-util v0.7.1|test-util\n";
    let found = features::breaches("dxos-client", tree, TEST_FEATURES);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("dxos-client -> dxos-store/conformance"));
    assert!(found[1].starts_with("dxos-client -> tokio/test-util"));
}

#[test]
fn the_table_names_every_package_once() {
    let mut names: Vec<&str> = FLOORS.iter().map(|row| row.package).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}
