use std::path::Path;

use super::{
    names,
    rules::{Severity, check},
    source::{code_only, lines_before_tests},
};

fn lines(path: &str, text: &str) -> Vec<usize> {
    check(Path::new(path), text.as_bytes())
        .iter()
        .map(|finding| finding.line)
        .collect()
}

#[test]
fn comments_and_literals_are_blanked_in_place() {
    let source = "a /* b /* c */ d */ e // f\n\
                  let x: &'static str = \"todo!\\\" \"; let y = '\"'; let z = '\\'';\n\
                  r#\"raw \" todo! \"#; br\"\\\"; var\"s\"; r#type";
    let code = code_only(source);
    assert_eq!(code.chars().count(), source.chars().count());
    assert_eq!(code.lines().count(), source.lines().count());
    assert_eq!(
        code.split_whitespace().take(2).collect::<Vec<_>>(),
        ["a", "e"]
    );
    assert!(!code.contains("todo") && !code.contains("raw"), "{code}");
    assert!(code.contains("&'static str"), "{code}");
    assert!(code.ends_with("r#type"), "{code}");
}

#[test]
fn unclosed_comments_and_strings_end_with_the_file() {
    for source in ["/* open", "\"open", "r##\"open\"#", "'\\", "'", "a\\"] {
        assert_eq!(code_only(source).chars().count(), source.chars().count());
    }
}

#[test]
fn a_select_must_be_biased() {
    let good = "tokio::select! {\n    biased;\n    x = y => {}\n}\n";
    let commented = "select! {\n    // why\n    biased;\n}\n";
    let bad = "fn f() {\n    tokio::select! {\n        x = y => {}\n    }\n}\n";
    assert_eq!(lines("crates/client/src/a.rs", good), [0; 0]);
    assert_eq!(lines("crates/client/src/a.rs", commented), [0; 0]);
    assert_eq!(lines("crates/client/src/a.rs", bad), [2]);
    assert_eq!(
        lines("crates/client/src/a.rs", "// a select! in words\n"),
        [0; 0]
    );
}

#[test]
fn unfinished_code_is_found_but_not_in_words() {
    let source = "fn f() { todo!() }\n#[ignore = \"slow\"]\nfn g() { unimplemented!() }\n\
                  #[ignored]\nlet a = \"todo!\"; // unimplemented!\nmy_todo!();\n";
    assert_eq!(lines("crates/feed/src/a.rs", source), [1, 2, 3]);
}

#[test]
fn only_the_edge_reads_clocks() {
    let source = "let now = std::time::Instant::now();\nlet t = SystemTime::now();\n";
    assert_eq!(lines("crates/feed/src/a.rs", source), [1, 2]);
    assert_eq!(lines("crates/feed/examples/a.rs", source), [1, 2]);
    for edge in ["crates/cli/src/a.rs", "xtask/src/a.rs", "tests/src/a.rs"] {
        assert_eq!(lines(edge, source), [0; 0], "{edge}");
    }
}

#[test]
fn the_clock_of_tokio_follows_virtual_time() {
    let source = "use tokio::time::{Instant, sleep};\nlet now = Instant::now();\n";
    assert_eq!(lines("crates/transport/src/a.rs", source), [0; 0]);
    let both = format!("{source}let now = std::time::Instant::now();\n");
    assert_eq!(lines("crates/transport/src/a.rs", &both), [3]);
}

#[test]
fn only_the_edge_has_a_clippy_configuration_of_its_own() {
    assert_eq!(lines("crates/echo/clippy.toml", "a = 1\n"), [1]);
    assert_eq!(lines("crates/quic/clippy.toml", "a = 1\n"), [0; 0]);
    assert_eq!(lines("clippy.toml", "a = 1\n"), [0; 0]);
}

#[test]
fn whitespace_is_checked_in_text_files() {
    assert_eq!(
        lines("a.md", "one \ntwo\n\tthree\nfour\r\nfive"),
        [1, 3, 4, 5]
    );
    assert_eq!(lines("a.toml", ""), [0; 0]);
    assert_eq!(check(Path::new("a.md"), b"\xff\n").len(), 1);
}

#[test]
fn long_files_are_counted_without_their_tests() {
    let long = "//\n".repeat(801);
    let middle = "//\n".repeat(501);
    let tested = format!(
        "{}#[cfg(test)]\nmod tests {{\n{long}}}\n",
        "//\n".repeat(500)
    );
    let severity = |path: &str, text: &str| {
        check(Path::new(path), text.as_bytes())
            .first()
            .map(|finding| finding.severity)
    };
    assert_eq!(severity("crates/a/src/a.rs", &long), Some(Severity::Error));
    assert_eq!(
        severity("crates/a/src/a.rs", &middle),
        Some(Severity::Warning)
    );
    assert_eq!(severity("crates/a/src/a.rs", &tested), None);
    assert_eq!(severity("crates/a/src/tests.rs", &long), None);
    assert_eq!(severity("crates/a/tests/a.rs", &long), None);
    assert_eq!(lines_before_tests("#[cfg(test)]\nmod tests;\na\n"), 3);
}

#[test]
fn a_document_names_tests_that_exist() {
    let source = "fn a_test() {} /* fn hidden() {} */ proptest! { fn within(x: u8) {} } my_fn x";
    let functions = names::functions(source).into_iter().collect();
    let document = "| what | shown by |\n| --- | --- |\n| x | `a_test`, `within` |\n\
                    | y | `hidden` |\n| z | – |\n\n| a | b |\n| --- | --- |\n| x | `other` |\n";
    let found: Vec<_> = names::check(document, &functions)
        .into_iter()
        .map(|finding| finding.line)
        .collect();
    assert_eq!(found, [4, 5]);
}
