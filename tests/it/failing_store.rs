//! A store on a real disk that fails while it is in use.
#![cfg(unix)]

use std::process::{Command, Stdio};

use crate::lost_laptop::serve;
use crate::processes::{Dx, Running, json_line};

/// Serves where no file may become longer than about a hundred KiB: writing more fails, as it does
/// on a device that gives errors.
fn serve_with_short_files(dx: &Dx) -> Running {
    let inner = dx.command(&["--listen", "127.0.0.1:0", "--json", "serve"]);
    let mut command = Command::new("sh");
    // Without the trap the first such write would end the process.
    let limited = "trap '' XFSZ; ulimit -f 128 && exec \"$@\"";
    command
        .args(["-c", limited, "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut serving = Running::of(command.spawn().unwrap());
    assert_eq!(json_line(&mut serving)["event"], "ready");
    serving
}

fn status(dx: &Dx) -> String {
    let output = dx.output(&["status"]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_store_that_cannot_write_any_more_says_so_and_is_well_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let ann = Dx::new(&home.path().join("ann"));
    ann.json(&["identity", "create", "Ann"]);

    let mut serving = serve_with_short_files(&ann);
    assert!(!status(&ann).contains("the store fails"));
    let mut made = 0;
    let refused = loop {
        let output = ann.output(&["space", "create", &format!("Space {made}")]);
        if !output.status.success() {
            break String::from_utf8(output.stderr).unwrap();
        }
        made += 1;
        assert!(made < 500, "files are not held short");
    };
    let says_why = ["File too large", "takes no writes since one failed"];
    assert!(
        says_why.iter().any(|why| refused.contains(why)),
        "{refused}"
    );
    let failing = status(&ann);
    assert!(failing.contains("the store fails"), "{failing}");
    let again = ann.output(&["space", "create", "Another"]);
    let again = String::from_utf8(again.stderr).unwrap();
    assert!(again.contains(says_why[1]), "{again}");
    serving.kill();

    // The disk is well again: what was acknowledged is there, and more can be written.
    let mut serving = serve(&ann);
    let well = status(&ann);
    assert!(!well.contains("the store fails"), "{well}");
    for number in 0..made {
        ann.json(&["space", "show", &format!("Space {number}")]);
    }
    ann.json(&["space", "create", "More"]);
    serving.kill();
    let whole = ann.json(&["doctor"]);
    assert_eq!(whole["whole"], true, "{whole}");
}
