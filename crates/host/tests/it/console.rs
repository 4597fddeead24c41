//! The console that is built into the host: whole, and such that a browser runs nothing else.

use std::collections::BTreeSet;

use crate::support::{get, serve};

/// The value of a header of an answer.
fn header(answer: &str, name: &str) -> Option<String> {
    let (head, _) = answer.split_once("\r\n\r\n")?;
    let value = |line: &str| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    };
    head.lines().find_map(value)
}

/// What stands in quotes after each `before` in a text.
fn quoted<'text>(text: &'text str, before: &str) -> Vec<&'text str> {
    let after = text.split(before).skip(1);
    after.filter_map(|rest| rest.split('"').next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_every_file_that_it_names_are_served_from_the_host_alone() {
    let served = serve().await;
    let port = served.port();
    let own = format!("127.0.0.1:{port}");
    let page = get(port, "/", &own);
    assert_eq!(header(&page, "content-type").as_deref(), Some("text/html"));
    assert_eq!(header(&page, "cache-control").as_deref(), Some("no-cache"));
    let (_, html) = page.split_once("\r\n\r\n").unwrap();
    assert!(html.contains("<div id=\"root\">"), "{html}");

    let mut files: BTreeSet<_> = quoted(html, "src=\"").into_iter().collect();
    files.extend(quoted(html, "href=\""));
    let kinds: BTreeSet<_> = files
        .iter()
        .filter_map(|file| file.rsplit('.').next())
        .collect();
    assert!(kinds.contains("js") && kinds.contains("css"), "{files:?}");
    for file in files {
        assert!(
            file.starts_with('/') && !file.starts_with("//"),
            "{file} is not the host's own"
        );
        let answer = get(port, file, &own);
        assert!(answer.starts_with("HTTP/1.1 200"), "{file}: {answer:.200}");
        let kind = match file.rsplit_once('.').unwrap().1 {
            "js" => "text/javascript",
            "css" => "text/css",
            "svg" => "image/svg+xml",
            other => panic!("{file} is of the unknown kind {other}"),
        };
        assert_eq!(
            header(&answer, "content-type").as_deref(),
            Some(kind),
            "{file}"
        );
        let caching = header(&answer, "cache-control").unwrap();
        // Only a name that changes with its content may be kept for ever.
        assert_eq!(
            caching.contains("immutable"),
            file.starts_with("/assets/"),
            "{file}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_lets_the_page_run_and_nothing_that_is_injected_into_it() {
    let served = serve().await;
    let port = served.port();
    let page = get(port, "/", &format!("127.0.0.1:{port}"));
    let policy = header(&page, "content-security-policy").unwrap();
    let scripts = policy
        .split(';')
        .find(|part| part.trim().starts_with("script-src"))
        .unwrap();
    assert_eq!(scripts.trim(), "script-src 'self'", "{policy}");
    assert!(policy.contains("default-src 'none'"), "{policy}");

    let (_, html) = page.split_once("\r\n\r\n").unwrap();
    for script in html.split("<script").skip(1) {
        let (tag, rest) = script.split_once('>').unwrap();
        assert!(tag.contains("src=\"/"), "a script without a file: {tag}");
        assert!(
            rest.starts_with("</script>"),
            "an inline script: {rest:.80}"
        );
    }
    assert!(!html.contains("onload=") && !html.contains("javascript:"));
}
