//! Spaces into archives and back, in parts.

use std::sync::Arc;

use data_encoding::BASE64;
use dxos_client::{ArchiveContents, ArchiveProtection, RestoreAs, RestoreOptions};
use serde_json::Value;

use super::{Answer, done, json, params, space_of, unknown};
use crate::archives::{Archive, Stage};
use crate::convert;
use crate::limits::{ARCHIVE_WRITE_BYTES_MAX, PASSPHRASE_BYTES_MAX};
use crate::protocol::{
    ArchiveContentsInfo, ArchiveInfo, ArchiveParams, ArchivePart, ArchiveProtectionSpec,
    ArchiveWritten, CreateArchive, ErrorInfo, InspectArchive, ReadArchive, RestoreArchive,
    RestoreAsSpec, WriteArchive,
};
use crate::shared::Caller;

pub(super) async fn call(caller: &Caller, method: &str, given: Value) -> Answer {
    match method {
        "archive.create" => create(caller, params(given)?).await,
        "archive.read" => read(caller, &params(given)?).await,
        "archive.write" => write(caller, params(given)?).await,
        "archive.inspect" => inspect(caller, params(given)?).await,
        "archive.restore" => restore(caller, params(given)?).await,
        "archive.drop" => {
            let of: ArchiveParams = params(given)?;
            let archives = &caller.shared.archives;
            archives.forget(&caller.session.id, of.archive);
            done()
        }
        _ => Err(unknown(method)),
    }
}

fn passphrase_of(passphrase: Option<String>) -> Result<Option<String>, ErrorInfo> {
    match passphrase {
        Some(text) if text.is_empty() => Err(ErrorInfo::params("passphrase: there is none in it")),
        Some(text) if text.len() > PASSPHRASE_BYTES_MAX => Err(ErrorInfo::params(format!(
            "passphrase: at most {PASSPHRASE_BYTES_MAX} bytes"
        ))),
        passphrase => Ok(passphrase),
    }
}

fn contents_info(contents: &ArchiveContents) -> ArchiveContentsInfo {
    ArchiveContentsInfo {
        space: contents.space.to_string(),
        program: contents.program.clone(),
        time_ms: contents.time_ms,
        blocks: contents.blocks,
        objects: contents.objects,
        largest_object: contents.largest_object as u64,
    }
}

async fn create(caller: &Caller, create: CreateArchive) -> Answer {
    let protection = match create.protection {
        ArchiveProtectionSpec::Plain {} => ArchiveProtection::Plain,
        ArchiveProtectionSpec::Passphrase { passphrase } => {
            let passphrase = passphrase_of(Some(passphrase))?.unwrap_or_default();
            ArchiveProtection::Passphrase(passphrase.into())
        }
    };
    let space = space_of(caller, &create.space).await?;
    let session = &caller.session.id;
    let archives = &caller.shared.archives;
    let archive = archives.open(session, create.archive)?;
    let mut archive = archive.lock().await;
    match &archive.stage {
        Stage::New => {}
        // It is asked again, because the answer was lost.
        Stage::Made(answer) => return Ok(answer.clone()),
        _ => return Err(taken(create.archive)),
    }
    let made = async {
        let to = archive.writer()?;
        let is_full = Arc::clone(&to.is_full);
        let to = std::io::BufWriter::with_capacity(128 * 1024, to);
        let serializer = caller.shared.client.create_serializer();
        let written = serializer.serialize_space(&space, protection, to).await;
        let (_, contents) =
            written.map_err(|error| archive.bound(&is_full).unwrap_or_else(|| error.into()))?;
        archive.measure()?;
        json(&ArchiveInfo {
            bytes: archive.bytes,
            contents: contents_info(&contents),
        })
    };
    let made = made.await;
    match &made {
        Ok(answer) => archive.stage = Stage::Made(answer.clone()),
        Err(_) => archives.forget(session, create.archive),
    }
    made
}

fn taken(archive: u32) -> ErrorInfo {
    let message = format!("archive {archive} is there for something else; choose another number");
    ErrorInfo::params(message)
}

async fn read(caller: &Caller, read: &ReadArchive) -> Answer {
    let archives = &caller.shared.archives;
    let archive = archives.find(&caller.session.id, read.archive)?;
    let archive = archive.lock_owned().await;
    if !matches!(archive.stage, Stage::Made(_)) {
        return Err(taken(read.archive));
    }
    let at = read.at;
    let (part, next) = blocking(move || archive.part(at)).await??;
    json(&ArchivePart {
        bytes: BASE64.encode(&part),
        next,
    })
}

async fn write(caller: &Caller, write: WriteArchive) -> Answer {
    let part = BASE64.decode(write.bytes.as_bytes());
    let part = part.map_err(|error| ErrorInfo::params(format!("bytes: {error}")))?;
    if part.len() > ARCHIVE_WRITE_BYTES_MAX {
        let message = format!("bytes: at most {ARCHIVE_WRITE_BYTES_MAX} at once");
        return Err(ErrorInfo::params(message));
    }
    let archives = &caller.shared.archives;
    let session = &caller.session.id;
    let archive = if write.at == 0 {
        archives.open(session, write.archive)?
    } else {
        archives.find(session, write.archive)?
    };
    let mut archive = archive.lock_owned().await;
    if !matches!(archive.stage, Stage::New | Stage::Written) {
        return Err(taken(write.archive));
    }
    archive.stage = Stage::Written;
    let bytes = blocking(move || {
        archive.append(write.at, &part)?;
        Ok::<_, ErrorInfo>(archive.bytes)
    });
    json(&ArchiveWritten {
        bytes: bytes.await??,
    })
}

/// One that was handed in.
fn handed_in(archive: &Archive, number: u32) -> Result<(), ErrorInfo> {
    match archive.stage {
        Stage::Written | Stage::Restored(_) => Ok(()),
        _ => Err(taken(number)),
    }
}

async fn inspect(caller: &Caller, inspect: InspectArchive) -> Answer {
    let passphrase = passphrase_of(inspect.passphrase)?;
    let archives = &caller.shared.archives;
    let archive = archives.find(&caller.session.id, inspect.archive)?;
    let archive = archive.lock().await;
    handed_in(&archive, inspect.archive)?;
    let serializer = caller.shared.client.create_serializer();
    let contents = serializer.inspect(archive.reader()?, passphrase.map(Into::into));
    json(&contents_info(&contents.await?))
}

async fn restore(caller: &Caller, restore: RestoreArchive) -> Answer {
    let passphrase = passphrase_of(restore.passphrase)?;
    let archives = &caller.shared.archives;
    let archive = archives.find(&caller.session.id, restore.archive)?;
    let mut archive = archive.lock().await;
    handed_in(&archive, restore.archive)?;
    if let Stage::Restored(answer) = &archive.stage {
        // It is asked again, because the answer was lost: a second clone is not what is meant.
        return Ok(answer.clone());
    }
    let options = RestoreOptions {
        restore_as: match restore.restore_as {
            RestoreAsSpec::Same => RestoreAs::Same,
            RestoreAsSpec::Clone => RestoreAs::Clone,
        },
        passphrase: passphrase.map(Into::into),
    };
    let serializer = caller.shared.client.create_serializer();
    let space = serializer
        .deserialize_space(archive.reader()?, options)
        .await?;
    let answer = json(&convert::space(&space.report().await?))?;
    archive.stage = Stage::Restored(answer.clone());
    Ok(answer)
}

/// Reads or writes a part of a file where that keeps nobody waiting.
async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ErrorInfo> {
    let ran = tokio::task::spawn_blocking(run).await;
    ran.map_err(|error| ErrorInfo::internal(error.to_string()))
}
