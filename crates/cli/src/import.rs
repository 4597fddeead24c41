//! `dx import`: records of a file become objects.

use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use dxos_client::{Format, ImportError, ImportEvent, ImportReport, TypeName};
use serde_json::json;

use crate::arguments::ImportOptions;
use crate::files::Input;
use crate::output::Output;
use crate::session::{Session, end, find_space};

/// Bad records that are shown one by one.
const SHOWN_MAX: u64 = 20;

pub(crate) async fn run(session: &Session, options: &ImportOptions, output: Output) -> Result<()> {
    let source = options.source.clone().unwrap_or_else(|| {
        let name = options.file.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    });
    ensure!(
        !options.type_name.is_empty(),
        "the type has no name; give one, such as --type task"
    );
    let mut how = dxos_client::ImportOptions::new(source);
    how.type_name = TypeName::from(options.type_name.as_str());
    how.key.clone_from(&options.key);
    how.skip_bad = options.skip_bad;
    how.texts = options.text.iter().cloned().collect();
    let client = if options.online {
        session.online().await?
    } else {
        session.local().await?
    };
    let imported = async {
        let space = find_space(&client, &options.space).await?;
        let what = || format!("cannot read {}", options.file.display());
        let input = Input::open(&options.file, true).await;
        let input = input.with_context(what)?;
        let bar = output.bar(input.length());
        let input = BufReader::new(bar.wrap_read(input));
        let (format, input) = guess(options, input).await.with_context(what)?;
        let mut shown = 0;
        let on_event = |event: ImportEvent<'_>| match event {
            ImportEvent::Skipped(bad) => {
                shown += 1;
                if shown <= SHOWN_MAX {
                    let text = format!("left out: {}, {bad}", options.file.display());
                    bar.suspend(|| output.note(&text));
                }
            }
            ImportEvent::Written(report) => {
                let objects = report.objects();
                if options.events {
                    let json = json!({ "event": "acknowledged", "objects": objects });
                    bar.suspend(|| output.event(&json, &format!("{objects} objects acknowledged")));
                }
                bar.set_message(format!("{objects} objects"));
            }
            _ => {}
        };
        let imported = space.db().import_from(input, format, how, on_event).await;
        bar.finish_and_clear();
        imported.map_err(|error| told(error, &options.file))
    };
    let imported = imported.await;
    end(&client).await?;
    let imported = imported?;
    let mut json = json!(imported);
    if let Some(json) = json.as_object_mut() {
        json.insert("objects".to_owned(), json!(imported.objects()));
    }
    output.result(&json, || text(&imported));
    Ok(())
}

/// How the file is to be read. What it reads for that may be long in coming.
async fn guess<R: Read + Send + 'static>(
    options: &ImportOptions,
    mut input: BufReader<R>,
) -> Result<(Format, BufReader<R>)> {
    if let Some(format) = options.format {
        return Ok((format, input));
    }
    let file = options.file.clone();
    let guessed = tokio::task::spawn_blocking(move || {
        let format = Format::guess(&file, &mut input)?;
        anyhow::Ok((format, input))
    });
    guessed.await.context("nothing was read")?
}

fn told(error: ImportError, file: &Path) -> anyhow::Error {
    match error {
        ImportError::Bad { bad, done } => anyhow::anyhow!(
            "{}, {bad}; {} objects of the file are here; correct it and import the file again, or \
             use --skip-bad to leave bad records out",
            file.display(),
            done.objects()
        ),
        ImportError::Read(error) => {
            anyhow::Error::new(error).context(format!("cannot read {}", file.display()))
        }
        other => other.into(),
    }
}

fn text(report: &ImportReport) -> String {
    let mut text = format!("{} objects imported", report.created);
    for (count, what) in [
        (report.updated, "updated"),
        (report.unchanged, "here already"),
        (report.skipped, "bad records left out"),
    ] {
        if count > 0 {
            use std::fmt::Write as _;
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}
