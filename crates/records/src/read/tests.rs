use std::path::Path;

use super::*;

fn open<'a>(name: &str, mut text: &'a [u8]) -> Result<Records<'a>, ReadError> {
    let format = Format::guess(Path::new(name), &mut text).unwrap();
    read(text, format)
}

fn all(name: &str, text: impl AsRef<[u8]>) -> Vec<Item> {
    let records = open(name, text.as_ref()).unwrap();
    records.map(|record| record.unwrap().content).collect()
}

fn titles(name: &str, text: &str) -> Vec<String> {
    let title = |item: Item| {
        item.unwrap()
            .properties
            .get("title")
            .unwrap()
            .as_str()
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
        assert!(all(name, "\u{feff}").is_empty(), "{name}");
    }
    assert!(all("a.json", "[]").is_empty());
    assert!(all("a.csv", "title,n\n").is_empty());
}

/// The lines of the bad records, and how many good ones there are.
fn bad_lines(name: &str, text: &str) -> (Vec<u64>, usize) {
    let items = all(name, text);
    let bad: Vec<_> = items
        .iter()
        .filter_map(|item| item.as_ref().err())
        .map(|bad| bad.line)
        .collect();
    let good = items.len() - bad.len();
    (bad, good)
}

#[test]
fn a_bad_record_is_named_by_its_line_and_the_rest_is_read() {
    for (name, text, line) in [
        ("a.json", "[\n{\"a\":1},\n7,\n{\"a\":2}]", 3),
        ("a.json", "[{\"a\":1},\r\n\r\n{\"a\" 1},{\"a\":2}]", 3),
        ("a.json", "[{\"a\":\n{\"b\":\nnonsense}},\n{\"a\":2},{}]", 3),
        ("a.json", "[{\"a\":\"]},{\\\"\"}\n\n{\"a\":1}]", 3),
        ("a.json", "[{\"a\":1},{\"a\":2}\n,\n]", 3),
        ("a.json", "[{\"a\":1},{\"a\":2}\n,\n{\"a\":1", 3),
        ("a.json", "[{\"a\":1},{\"a\":2}\n\n", 3),
        ("a.json", "[{\"a\":1},{\"a\":2}]\n\n[]", 3),
        ("a.jsonl", "{\"a\":1}\n\nnonsense\n{\"a\":2}\n", 3),
        ("a.jsonl", "{\"a\":1}\n\n\"text\"\n{\"a\":2}\n", 3),
        (
            "a.jsonl",
            "{\"a\":1}\n{\"a\":2}\n{\"a\":9999999999999999999}",
            3,
        ),
        ("a.csv", "a,b\n1,2\n1\n3,4\n", 3),
        ("a.csv", "a,b\r\n1,2\r\n1\r\n3,4\r\n", 3),
        ("a.csv", "\na,b\n\"1\n\",2\n3,4\n1,2,3\n", 6),
        ("a.csv", "a,b\r\n\r\n1,2\r\n\r\n\r\n1\r\n3,\"4\"\r\n", 6),
        ("a.csv", "a,b\n1,2\n3,4\n\"1,2\n3,4\n", 4),
    ] {
        let (bad, good) = bad_lines(name, text);
        assert_eq!((bad, good), (vec![line], 2), "{text}");
    }
}

#[test]
fn what_was_exported_is_the_same_object_again() {
    let id = ObjectId::from_bytes([7; ObjectId::LENGTH]);
    let text = format!(
        r#"{{"id":"{id}","type":"task@1","properties":{{"to":{{"@ref":"{id}"}}}},"created_ms":1,"updated_ms":2}}"#
    );
    let record = all("a.jsonl", &text).remove(0).unwrap();
    let expected = Exported {
        id,
        type_name: TypeName::from("task@1"),
        is_deleted: false,
    };
    assert_eq!(record.exported, Some(expected.clone()));
    assert_eq!(record.properties.len(), 1);
    // As a search or a query for deleted ones found it.
    let found = text.replace(
        "\"created_ms\"",
        r#""score":1.5,"hidden":true,"deleted":true,"created_ms""#,
    );
    let record = all("a.jsonl", &found).remove(0).unwrap();
    let is_deleted = true;
    assert_eq!(
        record.exported,
        Some(Exported {
            is_deleted,
            ..expected
        })
    );
    // With what is known besides its properties.
    let meta = format!(r#""meta":{{"tags":["a"],"parent":"{id}"}},"created_ms""#);
    let text = text.replace("\"created_ms\"", &meta);
    let record = all("a.jsonl", &text).remove(0).unwrap();
    let meta = record.meta.unwrap();
    assert_eq!(
        (meta.parent, meta.tags),
        (Some(id), ["a".to_owned()].into())
    );
    for wrong in [r#""tags":1"#, r#""mine":1"#, r#""source":"x""#] {
        let text = text.replace(r#""tags":["a"]"#, wrong);
        let bad = all("a.jsonl", &text).remove(0).unwrap_err();
        assert!(bad.reason.starts_with("meta: "), "{}", bad.reason);
    }
    let reserved = all("a.jsonl", r#"{"@@meta":1}"#).remove(0).unwrap_err();
    assert!(
        reserved.reason.contains("@meta is reserved"),
        "{}",
        reserved.reason
    );
    // One that only looks a little like it stays what it is.
    let record = all("a.jsonl", r#"{"id":"1","type":"t","properties":{}}"#).remove(0);
    let record = record.unwrap();
    assert_eq!((record.exported, record.properties.len()), (None, 3));
}

#[test]
fn whole_numbers_that_would_lose_digits_are_bad_records() {
    for number in [
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "123456789012345678901234567890",
    ] {
        for text in [
            format!("{{\"a\":{number}}}"),
            format!("{{\"a\":\"\\\\\",\"b\":[1,{{\"\\\"\":{number}}}]}}"),
        ] {
            let bad = all("a.jsonl", &text).remove(0).unwrap_err();
            assert!(bad.reason.contains(number), "{text}: {}", bad.reason);
        }
        for text in [
            format!("{{\"a\":\"{number}\"}}"),
            format!("{{\"a\":{number}.0}}"),
            format!("{{\"a\":{number}e0}}"),
            format!("{{\"a\":\"\\\"{number}\"}}"),
        ] {
            let read = all("a.jsonl", &text).remove(0);
            assert!(read.is_ok(), "{text}: {read:?}");
        }
    }
}

#[test]
fn columns_that_are_texts_stay_texts() {
    let read = |texts: &[&str]| {
        let texts = texts.iter().map(|&name| name.to_owned()).collect();
        let file = "version,price\n1.10,1.50\n";
        let records = read_with(file.as_bytes(), Format::Csv, &texts)?;
        let records: Result<Vec<_>, _> = records.collect();
        Ok::<_, ReadError>(records?.remove(0).content.unwrap().properties)
    };
    let found = read(&["version"]).unwrap();
    assert_eq!(found.get("version"), Some(&"1.10".into()));
    assert_eq!(found.get("price"), Some(&1.5.into()));
    let error = read(&["versoin"]).unwrap_err();
    assert!(error.to_string().contains("versoin"), "{error}");
}

#[test]
fn text_that_is_not_utf_8_is_a_bad_record() {
    for (name, text) in [
        (
            "a.jsonl",
            b"{\"a\":1}\n{\"a\":\"\xff\"}\n{\"a\":2}".as_slice(),
        ),
        ("a.json", b"[{\"a\":1},\n{\"a\":\"\xff\"},{\"a\":2}]"),
        ("a.csv", b"a\n\xff\n1\n2\n"),
    ] {
        let items = all(name, text);
        let bad: Vec<_> = items.iter().filter_map(|i| i.as_ref().err()).collect();
        assert_eq!((items.len(), bad.len(), bad[0].line), (3, 1, 2), "{name}");
    }
}

#[test]
fn what_a_transaction_would_refuse_is_a_bad_record() {
    let long = "n".repeat(1025);
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let many = "0.5,".repeat(100_000);
    for text in [
        format!("{{\"{long}\":1}}"),
        format!("{{\"a\":{{\"{long}\":1}}}}"),
        format!("{{\"a\":{deep}}}"),
        format!("{{\"a\":[{many}1]}}"),
        "{\"@bytes\":\"AAAA\"}".to_owned(),
    ] {
        assert_eq!(bad_lines("a.jsonl", &text), (vec![1], 0));
    }
}

#[test]
fn a_file_that_is_no_array_or_has_no_usable_header_is_refused() {
    for (name, text, wanted) in [
        ("a.json", "\n\"a\"", "line 2"),
        ("a.csv", "a,,c\n", "column 2 has no name"),
        ("a.csv", "a,b,a\n", "\"a\""),
        ("a.csv", "a,\"b\n1,2\n", "within quotes"),
    ] {
        let first = match open(name, text.as_bytes()) {
            Ok(mut records) => records.next().unwrap().map(drop),
            Err(error) => Err(error),
        };
        let error = format!("{:#}", first.unwrap_err());
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn a_record_that_is_far_too_long_is_bad_and_the_next_one_is_read() {
    let text = format!(
        "{{\"a\":\"{}\"}}\n{{\"a\":1}}\n",
        "x".repeat(TEXT_BYTES_MAX)
    );
    assert_eq!(bad_lines("a.jsonl", &text), (vec![1], 1));
    let text = format!("[\n{},\n{{\"a\":1}}]", text.lines().next().unwrap());
    assert_eq!(bad_lines("a.json", &text), (vec![2], 1));
    let text = format!("a\n1\n\"{}\"\n2\n", "x".repeat(TEXT_BYTES_MAX));
    assert_eq!(bad_lines("a.csv", &text), (vec![3], 2));
}

#[test]
fn a_record_is_known_again_by_its_number_and_what_it_says() {
    for (name, before, after) in [
        (
            "a.jsonl",
            "{\"a\":1}\n{\"a\":2}",
            "{\"a\":1}\r\n\r\n  {\"a\":3}\r\n",
        ),
        (
            "a.json",
            "[{\"a\":1},{\"a\":2}]",
            "[\n{\"a\":1}\n,\n{\"a\":3}]",
        ),
        ("a.csv", "a\n1\n2\n", "a\r\n1\r\n\"3\"\r\n"),
    ] {
        let known = |text: &str| -> Vec<_> {
            let records = open(name, text.as_bytes()).unwrap().map(Result::unwrap);
            records
                .map(|record| (record.number, record.print))
                .collect()
        };
        let (before, after) = (known(before), known(after));
        assert_eq!(before[0], after[0], "{name}");
        assert_eq!((before[1].0, after[1].0), (1, 1), "{name}");
        assert_ne!(before[1], after[1], "{name}");
    }
    // The same row of another table is another record.
    let one = open("a.csv", b"a,b\n1,2\n").unwrap().next().unwrap();
    let two = open("a.csv", b"b,a\n1,2\n").unwrap().next().unwrap();
    assert_ne!(one.unwrap().print, two.unwrap().print);
}

#[test]
fn a_name_or_its_beginning_tells_the_format() {
    for (name, text, wanted) in [
        ("a.CSV", "", Format::Csv),
        ("a.ndjson", "[", Format::Jsonl),
        ("a.json", "\n[", Format::Json),
        ("a.json", "{", Format::Jsonl),
        ("a", "\u{feff} [", Format::Json),
        ("a", "a,b\n", Format::Csv),
        ("a", "", Format::Jsonl),
    ] {
        let format = Format::guess(Path::new(name), &mut text.as_bytes()).unwrap();
        assert_eq!(format, wanted, "{name} {text}");
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    assert!("xml".parse::<Format>().is_err());
}
