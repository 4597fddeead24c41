//! The program `dx`, as a user or a script runs it.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Where the program is; built once, with what is built already.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // .../<target>/<profile>/deps/it-...
        let own = std::env::current_exe().unwrap();
        let profile = own.parent().and_then(Path::parent).unwrap();
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args([
            "build",
            "--package",
            "dxos-cli",
            "--bin",
            "dx",
            "--target-dir",
        ]);
        build.arg(profile.parent().unwrap());
        // What cargo tells a test of its package, build scripts would take for their own: they
        // would run again, and everything be built anew each time.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                build.env_remove(name);
            }
        }
        if profile.file_name().is_some_and(|name| name == "release") {
            build.arg("--release");
        }
        let built = build.output().unwrap();
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        profile.join(format!("dx{}", std::env::consts::EXE_SUFFIX))
    })
}

/// `dx` with a profile.
pub(crate) struct Dx {
    profile: PathBuf,
}

impl Dx {
    pub(crate) fn new(profile: &Path) -> Self {
        Self {
            profile: profile.to_path_buf(),
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.arg("--profile").arg(&self.profile).args(arguments);
        // No configuration of the machine, and no colours.
        command
            .current_dir(std::env::temp_dir())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command where files are readable by everybody unless a program says otherwise.
    #[cfg(unix)]
    /// What it says with this on its standard input.
    pub(crate) fn output_given(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    pub(crate) fn output_with_umask_0(&self, arguments: &[&str]) -> Output {
        let inner = self.command(arguments);
        let mut command = Command::new("sh");
        command
            .args(["-c", "umask 000 && exec \"$@\"", "sh"])
            .arg(inner.get_program())
            .args(inner.get_args())
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    /// Runs a command that must succeed, and returns the JSON it prints last.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.output(&[arguments, &["--json"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}{error}");
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    }

    /// Starts a command that stays; it is killed when this is dropped.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::null());
        Running::of(command.spawn().unwrap())
    }
}

/// A running `dx`.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) lines: BufReader<std::process::ChildStdout>,
}

impl Running {
    /// Follows a child whose output is piped.
    pub(crate) fn of(mut child: Child) -> Self {
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Kills it, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The next line of JSON that a running `dx` prints; null when it has ended.
pub(crate) fn json_line(running: &mut Running) -> Value {
    let mut line = String::new();
    running.lines.read_line(&mut line).unwrap();
    if line.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&line).unwrap()
    }
}

#[test]
fn the_demo_converges_and_says_so_in_json() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(home.path());
    let shown = dx.json(&["demo"]);
    assert_eq!(shown["converged"], true);
    assert!(shown["objects"].as_u64().unwrap() > 100);
    assert_eq!(shown["a"]["state_hash"], shown["b"]["state_hash"]);
    assert!(shown["steps"].as_array().unwrap().len() > 5);
}

#[test]
fn records_are_imported_queried_and_exported_and_bad_ones_are_named() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("p"));
    dx.json(&["identity", "create", "Ann"]);
    dx.json(&["space", "create", "Küche"]);
    let csv = home.path().join("a.csv");
    std::fs::write(
        &csv,
        "\u{feff}title,n\r\nMöhren,1\r\nonly one field\r\n水,3\r\n",
    )
    .unwrap();
    let file = csv.to_str().unwrap();

    let bad = dx.output(&["import", "Küche", file, "--type", "item"]);
    assert_eq!(bad.status.code(), Some(1));
    let text = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(text.contains("a.csv") && text.contains('3'), "{text}");
    let imported = dx.json(&["import", "Küche", file, "--type", "item", "--skip-bad"]);
    assert!(imported.to_string().contains('2'), "{imported}");
    let found = dx.json(&["query", "Küche", "type:item", "n>=2"]);
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert!(found.to_string().contains("水"), "{found}");

    let missing = dx.output(&["import", "Küche", "/nonexistent.csv"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nonexistent.csv"));
    let usage = dx.output(&["import"]);
    assert_eq!(usage.status.code(), Some(2));
    let unknown = dx.output(&["space", "show", "Garten"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("Garten"));
}

#[test]
fn the_environment_wins_over_the_file_and_the_command_line_over_both() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("dx.toml");
    std::fs::write(&file, "[storage]\ncache_mib = 16\nsync_interval_ms = 50\n").unwrap();
    let dx = Dx::new(&home.path().join("p"));
    let mut command = dx.command(&["--config", file.to_str().unwrap(), "--json", "config"]);
    let output = command.env("DX_STORAGE__CACHE_MIB", "24").output().unwrap();
    let config: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(config["storage"]["cache_mib"], 24);
    assert_eq!(config["storage"]["sync_interval_ms"], 50);
    assert_eq!(config["profile"], home.path().join("p").to_str().unwrap());
}

#[test]
fn a_variable_that_is_no_setting_keeps_nothing_from_starting_and_a_wrong_value_does() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("p"));
    let run = |name: &str, value: &str| {
        let mut command = dx.command(&["--json", "config"]);
        command.env(name, value).output().unwrap()
    };
    // Of other programs, such as a harness that says where dx is, or a mistyped setting.
    for name in ["DX_BIN", "DX_X__Y", "DX_", "DX___", "DX_PROFIL"] {
        let output = run(name, "x");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{name}: {text}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap();
    }
    let text = String::from_utf8_lossy(&run("DX_PROFIL", "x").stderr).into_owned();
    assert!(text.contains("DX_PROFILE"), "{text}");
    for (name, key) in [
        ("DX_STORAGE__CACHE_MIB", "storage.cache_mib"),
        ("DX_STORAGE__CACHE_MB", "storage.cache_mb"),
        ("DX_STORAGE", "storage"),
    ] {
        let output = run(name, "lots");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{name}: {text}");
        assert!(text.contains(key), "{name}: {text}");
    }
}
