//! Worlds of a few seeds.

use dxos_sim::{Counts, Options, run};

fn short() -> Options {
    Options {
        steps: 40,
        ..Options::default()
    }
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let options = short();
    assert_eq!(run(11, &options), run(11, &options));
}

#[test]
fn another_seed_gives_another_world() {
    let options = short();
    assert_ne!(run(12, &options).hash, run(13, &options).hash);
}

#[test]
fn everything_holds_in_a_few_worlds_with_faults() {
    let mut counts = Counts::default();
    for seed in 21..29 {
        let report = run(seed, &short());
        assert_eq!(report.violation, None, "with seed {seed}");
        counts.add(&report.counts);
    }
    assert!(counts.kills + counts.power_losses > 0, "{counts:?}");
    assert!(counts.connections_dropped > 0, "{counts:?}");
    assert!(counts.partitions > 0, "{counts:?}");
    assert!(counts.edits_checked > 0, "{counts:?}");
}

#[test]
fn five_peers_come_to_one_state() {
    let options = Options {
        peers: 5,
        ..short()
    };
    let report = run(31, &options);
    assert_eq!(report.violation, None);
    assert_eq!(report.counts.reuses_refused, 3);
}

#[test]
fn one_peer_alone_keeps_what_it_wrote() {
    let options = Options {
        peers: 1,
        ..short()
    };
    let report = run(41, &options);
    assert_eq!(report.violation, None);
    assert_eq!(report.counts.frames_sent, 0);
}

#[test]
fn what_happened_is_told_in_the_words_that_the_console_reads() {
    let report = run(7, &short());
    let timeline = serde_json::to_value(&report.timeline).unwrap();
    assert!(timeline["peers"].as_u64().unwrap() >= 3);
    let moments = timeline["moments"].as_array().unwrap();
    assert_eq!(moments[0]["what"], "started");
    assert_eq!(moments[0]["peers"], serde_json::json!([0]));
    let committed = moments.iter().filter(|one| one["what"] == "committed");
    assert_eq!(committed.count() as u64, report.counts.commits);
    let times: Vec<_> = moments.iter().map(|one| one["atMs"].as_u64()).collect();
    assert!(times.is_sorted() && times.iter().all(Option::is_some));
    let traffic = timeline["traffic"].as_array().unwrap();
    for key in ["second", "from", "to", "frames", "bytes"] {
        assert!(traffic[0][key].is_u64(), "{key}");
    }
    let last = moments.iter().rfind(|one| one["what"] == "one-state");
    assert!(last.is_some());
}
