//! `dx archive` and `dx restore`: a space as one file, and back.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use dxos_client::{
    ArchiveError, ArchiveProtection, ClientError, EchoError, Existing, RestoreAs, RestoreOptions,
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::arguments::{ArchiveOptions, RestoreArguments};
use crate::control::{Question, Within};
use crate::files::{Input, Target, or_stopped};
use crate::output::Output;
use crate::recover::{read_all, text_of};
use crate::session::{Session, end, find_space};
use crate::space::list_text;

pub(crate) async fn archive(
    session: &Session,
    options: ArchiveOptions,
    output: Output,
) -> Result<()> {
    let client = session.local().await?;
    let path = &options.file;
    let written = async {
        let protection = match passphrase(options.passphrase_file).await? {
            Some(passphrase) => ArchiveProtection::Passphrase(passphrase),
            None => ArchiveProtection::Plain,
        };
        let space = find_space(&client, &options.space).await?;
        let what = || format!("cannot write {}", path.display());
        let to = Target::create(path, Existing::Refuse).await;
        let to = to.with_context(what)?;
        let serializer = client.create_serializer();
        let written = serializer.serialize_space(&space, protection, to).await;
        let (to, contents) = written.with_context(what)?;
        to.finish().await.with_context(what)?;
        Ok(contents)
    };
    let written = or_stopped(Some(path), Box::pin(written)).await;
    end(&client).await?;
    let contents = written?;
    let mut json = json!(contents);
    if let Some(json) = json.as_object_mut() {
        json.insert("file".to_owned(), json!(path.to_string_lossy()));
    }
    output.result(&json, || {
        format!(
            "{} blocks and {} objects in {}",
            contents.blocks,
            contents.objects,
            path.display()
        )
    });
    if options.plain {
        output.note("it is not encrypted: whoever gets the file can read the space");
    }
    Ok(())
}

pub(crate) async fn restore(
    session: &Session,
    arguments: RestoreArguments,
    output: Output,
) -> Result<()> {
    let path = &arguments.file;
    let what = || format!("cannot restore {}", path.display());
    let client = session.local().await?;
    let restored = async {
        let options = RestoreOptions {
            restore_as: if arguments.as_clone {
                RestoreAs::Clone
            } else {
                RestoreAs::Same
            },
            passphrase: passphrase(arguments.passphrase_file).await?,
        };
        let file = Input::open(path, false).await.with_context(what)?;
        let serializer = client.create_serializer();
        let space = serializer.deserialize_space(file, options).await;
        let space = space.map_err(|error| {
            let is_stranger = matches!(
                &error,
                ArchiveError::Client(ClientError::Echo(EchoError::BadTicket { .. }))
            );
            let error = anyhow::Error::new(error).context(what());
            if is_stranger {
                error.context(
                    "this identity is no member of the space in the archive; --as-clone makes a \
                     new space of what is in it",
                )
            } else {
                error
            }
        });
        anyhow::Ok(space?.report().await?)
    };
    let restored = restored.await;
    end(&client).await?;
    let report = restored?;
    output.result(&json!(report), || list_text(std::slice::from_ref(&report)));
    Ok(())
}

/// The passphrase of an archive, from where the user has it.
async fn passphrase(file: Option<PathBuf>) -> Result<Option<Zeroizing<String>>> {
    match Within::find() {
        Some(within) if file.is_some() => within.ask(Question::ArchivePassphrase).await,
        _ => read_passphrase(file).await,
    }
}

/// The passphrase in a file, without the end of its line. It is never an argument: those are seen
/// by others on the machine and kept by the shell.
pub(crate) async fn read_passphrase(file: Option<PathBuf>) -> Result<Option<Zeroizing<String>>> {
    let Some(path) = file else { return Ok(None) };
    let read = tokio::task::spawn_blocking(move || {
        let what = || format!("cannot read the passphrase from {}", path.display());
        let bytes = if path == Path::new("-") {
            read_all(std::io::stdin().lock())
        } else {
            File::open(&path).and_then(read_all)
        };
        let text = text_of(&bytes.with_context(what)?).with_context(what)?;
        let passphrase = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
        if passphrase.is_empty() {
            bail!("there is no passphrase in {}", path.display());
        }
        Ok(passphrase)
    });
    read.await.context("nothing was read")?.map(Some)
}
