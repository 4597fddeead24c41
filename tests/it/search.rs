//! Full text: found by an index and without one, in Rust and on the command line.

use dxos_client::{EchoObject, Filter, Object, Space, map};
use serde::{Deserialize, Serialize};

use crate::processes::Dx;
use crate::support::{apart, converge, join, start, within};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EchoObject)]
#[echo(type = "example.com/type/Note", version = "0.1.0", text)]
struct Note {
    title: String,
    body: dxos_client::Text,
    tags: Vec<String>,
}

fn note(title: &str, body: &str) -> Note {
    Note {
        title: title.into(),
        body: body.into(),
        tags: vec!["Ideen für später".into()],
    }
}

fn titles(found: &[Object]) -> Vec<&str> {
    let found = found.iter();
    found
        .map(|object| object.get("title").unwrap().as_str().unwrap())
        .collect()
}

async fn indexed(space: &Space) {
    let is_ready = async || {
        let indexes = space.db().indexes().await.unwrap();
        indexes.iter().any(|index| index.name.ends_with("by words"))
            && indexes.iter().all(|index| index.is_ready)
    };
    within(async {
        while !is_ready().await {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_here_is_found_there_in_the_order_of_relevance() {
    let (home, ann, bob, space) = apart().await;
    let db = space.db();
    db.add(note("Fox", "The quick brown fox")).await.unwrap();
    let long = "A dog that is neither quick nor brown, and no fox at all";
    let dog = db.add(note("Dog", long)).await.unwrap();
    db.add(note("Genève", "Zürich, 東京")).await.unwrap();
    db.add(("memo", map! { "title" => "quick fox memo" }))
        .await
        .unwrap();
    let theirs = join(&space, &bob).await;
    converge(&space, &theirs).await;
    for space in [&space, &theirs] {
        indexed(space).await;
        let search = |words: &str| {
            let db = space.db();
            db.query(Filter::text(words)).by_relevance()
        };
        let found = search("QUICK fo*").run().await.unwrap();
        assert_eq!(titles(&found), ["quick fox memo", "Fox", "Dog"]);
        assert!(found[0].score() > found[1].score());
        let notes = space.db().objects::<Note>();
        let found = notes.filter(Filter::text("fox")).by_relevance().limit(1);
        assert_eq!(found.run().await.unwrap()[0].title, "Fox");
        assert_eq!(
            titles(&search("geneve 東京").run().await.unwrap()),
            ["Genève"]
        );
        assert_eq!(search("\"Ideen für\"").count().await.unwrap(), 3);
        let typed = Filter::type_name("example.com/type/Note").and(Filter::text("quick"));
        let explained = space
            .db()
            .query(typed)
            .by_relevance()
            .explain()
            .await
            .unwrap();
        assert_eq!(
            explained.index.as_deref(),
            Some("example.com/type/Note by words")
        );
        assert_eq!((explained.results, explained.objects), (2, 2));
    }

    // What is typed is found at once, and what is gone is not.
    let mut live = theirs
        .db()
        .query(Filter::text("zebra"))
        .subscribe()
        .await
        .unwrap();
    assert!(live.results().is_empty());
    let body = db.text(dog.object(), "body").await.unwrap();
    body.insert(0, "A zebra. ").unwrap();
    body.flush().await.unwrap();
    within(live.next()).await.unwrap();
    let found = db
        .query(Filter::text_at("body", "zebra"))
        .run()
        .await
        .unwrap();
    assert_eq!(titles(&found), ["Dog"]);
    let highlights = Filter::text("zebra").highlights(&found[0]);
    assert_eq!(highlights[0].path.to_string(), "body");
    assert_eq!(highlights[0].ranges.first(), Some(&(2..7)));
    converge(&space, &theirs).await;

    // Also after the end of the process, at whatever place that comes.
    drop(body);
    ann.destroy().await.unwrap();
    let ann = start(&home.path().join("a"), "Ann").await;
    let space = ann.get_space(space.key()).await.unwrap().unwrap();
    let again = space.db().query(Filter::text("zebra")).by_relevance();
    assert_eq!(titles(&again.run().await.unwrap()), ["Dog"]);
}

#[test]
fn dx_query_finds_words_and_shows_where_they_are() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("a"));
    dx.json(&["identity", "create", "Ann"]);
    dx.json(&["space", "create", "Garden"]);
    let file = home.path().join("notes.jsonl");
    let lines = [
        r#"{"title":"Fox","body":"The quick brown fox"}"#,
        r#"{"title":"Café","body":"nothing quick here, and much more that nobody looks for"}"#,
        r#"{"title":"Dog","tags":["brown","slow"]}"#,
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    dx.json(&["import", "Garden", file.to_str().unwrap(), "--type", "note"]);
    let titles = |query: &str| -> Vec<String> {
        let found = dx.json(&["query", "Garden", query]);
        let found = found.as_array().unwrap().iter();
        found
            .map(|object| object["properties"]["title"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(titles("text:\"quick bro*\" type:note limit:20"), ["Fox"]);
    assert_eq!(titles("text:quick order:-@relevance"), ["Fox", "Café"]);
    assert_eq!(titles("title~~CAFE"), ["Café"]);
    assert_eq!(
        titles("tags~~brown OR text:nothing order:title"),
        ["Café", "Dog"]
    );
    let found = dx.json(&["query", "Garden", "text:brown", "--order", "-@relevance"]);
    assert!(found[0]["score"].as_f64().unwrap() >= found[1]["score"].as_f64().unwrap());
    let dog = found
        .as_array()
        .unwrap()
        .iter()
        .find(|object| object["properties"]["title"] == "Dog");
    let highlights = serde_json::json!([{ "path": "tags.0", "ranges": [[0, 5]] }]);
    assert_eq!(dog.unwrap()["highlights"], highlights);
    let shown = dx.output(&["query", "Garden", "text:quick title:Fox"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("The [quick] brown fox"), "{shown}");
    let refused = dx.output(&["query", "Garden", &format!("text:\"{}\"", "a ".repeat(40))]);
    let refused = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.contains("more than 32 words"), "{refused}");
}
