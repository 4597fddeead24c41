//! Files and variables that are right and wrong.

use super::*;

fn load(name: &str, text: &str) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(name);
    std::fs::write(&file, text).unwrap();
    Config::load(Some(&file))
}

#[test]
fn a_file_sets_what_it_names_and_nothing_else() {
    let yaml = load(
        "dx.yml",
        "profile: /tmp/ünïcode\nstorage:\n  cache_mib: 64\n",
    )
    .unwrap();
    let toml = load(
        "dx.toml",
        "profile = \"/tmp/ünïcode\"\r\n[storage]\r\ncache_mib = 64\r\n",
    );
    assert_eq!(Ok(&yaml), toml.as_ref());
    assert_eq!(yaml.profile, Path::new("/tmp/ünïcode"));
    assert_eq!(
        yaml.storage,
        StorageConfig {
            cache_mib: 64,
            ..StorageConfig::default()
        }
    );
    assert_eq!(yaml.network, NetworkConfig::default());
}

#[test]
fn an_age_is_read_from_every_format() {
    for (name, text) in [
        ("dx.yml", "storage:\n  epoch_age: 30d\n"),
        ("dx.toml", "[storage]\nepoch_age = \"30d\"\n"),
    ] {
        let config = load(name, text).unwrap();
        let age = Duration::from_secs(30 * 24 * 3600);
        assert_eq!(config.storage.epochs().age, Some(age));
    }
    let never = load("dx.yml", "storage:\n  epoch_age: 0\n").unwrap();
    assert_eq!(never.storage.epochs(), EpochPolicy::default());
}

#[test]
fn an_empty_file_sets_nothing() {
    for text in ["", "\n\n", "# nothing\n"] {
        assert_eq!(load("dx.yml", text), Ok(Config::default()));
        assert_eq!(load("dx.toml", text), Ok(Config::default()));
    }
}

#[test]
fn the_environment_is_asked_for_every_setting_that_there_is() {
    let all = serde_json::to_value(Config::default()).unwrap();
    let all: Vec<_> = all.as_object().unwrap().keys().cloned().collect();
    let mut asked = SETTINGS.map(str::to_owned).to_vec();
    asked.sort();
    assert_eq!(asked, all);
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_known_one() {
    for (name, text) in [
        ("dx.yml", "storage:\n  cache_mb: 64\n"),
        ("dx.toml", "[storage]\ncache_mb = 64\n"),
    ] {
        let error = load(name, text).unwrap_err();
        let ConfigError::UnknownKey { origin, key, hint } = &error else {
            panic!("{error}")
        };
        assert!(origin.ends_with(name), "{error}");
        assert_eq!(key, "storage.cache_mb");
        assert!(hint.contains("cache_mib"), "{error}");
    }
}

#[test]
fn a_wrong_value_names_the_file_the_key_and_what_was_expected() {
    let error = load("dx.yml", "network:\n  listen: nowhere\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("dx.yml") && error.contains("network.listen"),
        "{error}"
    );
    let error = load("dx.yml", "storage:\n  cache_mib: lots\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("storage.cache_mib") && error.contains("u32"),
        "{error}"
    );
    let error = load("dx.yml", "storage:\n  cache_mib: 1\n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("8 to 65536"), "{error}");
    let error = load("dx.yml", "storage:\n  epoch_age: 30\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("storage.epoch_age") && error.contains("such as 30d"),
        "{error}"
    );
    let error = load("dx.yml", "keyring:\n  protection: prayer\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("keyring.protection") && error.contains("key-file"),
        "{error}"
    );
}

#[test]
fn broken_syntax_and_missing_files_are_errors() {
    assert!(load("dx.yml", "a: [").is_err());
    assert!(load("dx.toml", "a = ").is_err());
    let missing = Config::load(Some(Path::new("/nonexistent/dx.yml"))).unwrap_err();
    assert!(matches!(missing, ConfigError::File { .. }));
}
