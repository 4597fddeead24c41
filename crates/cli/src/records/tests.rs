use std::io::Cursor;

use super::*;

fn all(name: &str, text: &str) -> Vec<Item> {
    let input = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
    let records = read(input, Path::new(name), None).unwrap();
    records.map(Result::unwrap).collect()
}

fn titles(name: &str, text: &str) -> Vec<String> {
    let title = |item: Item| {
        item.unwrap()
            .get("title")
            .unwrap()
            .as_text()
            .unwrap()
            .to_owned()
    };
    all(name, text).into_iter().map(title).collect()
}

#[test]
fn the_same_records_come_from_every_format_and_line_end() {
    let wanted = ["Küche, \"neu\"", "水"];
    for (name, text) in [
        (
            "a.json",
            "[{\"title\": \"Küche, \\\"neu\\\"\"},\n {\"title\": \"水\"}]",
        ),
        (
            "a.jsonl",
            "{\"title\": \"Küche, \\\"neu\\\"\"}\r\n\r\n{\"title\": \"水\"}\r\n",
        ),
        ("a.csv", "title,n\r\n\"Küche, \"\"neu\"\"\",1\r\n水,2\r\n"),
        (
            "noname",
            "\u{feff}{\"title\": \"Küche, \\\"neu\\\"\"}\n{\"title\": \"水\"}",
        ),
        ("x.csv", "\u{feff}title\n\"Küche, \"\"neu\"\"\"\n水"),
    ] {
        assert_eq!(titles(name, text), wanted, "{name}");
    }
}

#[test]
fn empty_files_have_no_records() {
    for name in ["a.json", "a.jsonl", "a.csv", "a"] {
        assert!(all(name, "").is_empty(), "{name}");
    }
    assert!(all("a.json", "[]").is_empty());
    assert!(all("a.csv", "title,n\n").is_empty());
}

#[test]
fn a_bad_record_is_named_by_its_line_and_the_rest_is_read() {
    for (name, text, line) in [
        ("a.json", "[\n{\"a\":1},\n7,\n{\"a\":2}]", 3),
        ("a.jsonl", "{\"a\":1}\n\nnonsense\n{\"a\":2}\n", 3),
        ("a.csv", "a,b\n1,2\n1\n3,4\n", 3),
    ] {
        let items = all(name, text);
        let bad: Vec<_> = items
            .iter()
            .filter_map(|item| item.as_ref().err())
            .collect();
        assert_eq!(bad.len(), 1, "{name}");
        assert_eq!(bad[0].line, line, "{name}: {bad:?}");
        assert_eq!(items.len(), 3, "{name}");
    }
}

#[test]
fn a_json_file_that_is_broken_is_refused_with_its_line() {
    let input = Box::new(std::io::Cursor::new(b"[{\"a\":1},\n{".to_vec()));
    let Err(error) = read(input, Path::new("a.json"), None) else {
        panic!("read")
    };
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[test]
fn a_record_that_is_far_too_long_is_bad_and_the_next_one_is_read() {
    let text = format!(
        "{{\"a\":\"{}\"}}\n{{\"a\":1}}\n",
        "x".repeat(RECORD_BYTES_MAX)
    );
    let items = all("a.jsonl", &text);
    assert!(items[0].is_err() && items[1].is_ok() && items.len() == 2);
}
