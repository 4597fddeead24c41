//! How spaces are kept: opened, closed, deleted, looked after.

use dxos_client::{EpochOptions, Space};
use serde_json::Value;

use super::{Answer, done, json, params, space_of, unknown};
use crate::convert::{self, parse};
use crate::protocol::{
    CreateEpoch, DeleteSpace, EpochInfo, ErasureInfo, ErrorInfo, ReadSyncStatus, SpaceParams,
    SyncStatusInfo, TrimSpace, TrimmedInfo,
};
use crate::shared::Caller;

/// What `echo.deleteSpace` has to be confirmed with.
const DELETE: &str = "delete-space";

pub(super) async fn call(caller: &Caller, method: &str, given: Value) -> Answer {
    match method {
        "echo.openSpace" => {
            let space = named(caller, given).await?;
            json(&convert::space(&space.open().await?))
        }
        "echo.closeSpace" => {
            let space = named(caller, given).await?;
            space.close().await?;
            json(&convert::space(&space.report().await?))
        }
        "echo.deleteSpace" => delete(caller, &params(given)?).await,
        "echo.syncStatus" => {
            let read: ReadSyncStatus = params(given)?;
            let space = space_of(caller, &read.space).await?;
            json(&sync_status(&space, read.object.as_deref()).await?)
        }
        "echo.createEpoch" => {
            let create: CreateEpoch = params(given)?;
            let space = space_of(caller, &create.space).await?;
            json(&convert::epoch(
                &space.create_epoch(options(&create)).await?,
            ))
        }
        "echo.erase" => {
            let create: CreateEpoch = params(given)?;
            let space = space_of(caller, &create.space).await?;
            json(&convert::erasure(&space.erase(options(&create)).await?))
        }
        "echo.erasure" => {
            let space = named(caller, given).await?;
            json(&erasure(&space).await?)
        }
        "echo.epochs" => {
            let space = named(caller, given).await?;
            json(&epochs(&space).await?)
        }
        "echo.trim" => {
            let trim: TrimSpace = params(given)?;
            let space = space_of(caller, &trim.space).await?;
            let blocks = space.trim(trim.force).await?;
            json(&TrimmedInfo { blocks })
        }
        "echo.stats" => {
            let space = named(caller, given).await?;
            json(&convert::stats(&space.stats().await?))
        }
        _ => Err(unknown(method)),
    }
}

fn options(create: &CreateEpoch) -> EpochOptions {
    let mut options = EpochOptions::new();
    options.share_state = create.share_state;
    options
}

async fn named(caller: &Caller, given: Value) -> Result<Space, ErrorInfo> {
    let of: SpaceParams = params(given)?;
    space_of(caller, &of.space).await
}

async fn delete(caller: &Caller, delete: &DeleteSpace) -> Answer {
    if delete.confirm != DELETE {
        let message = format!("confirm with {DELETE:?}: what no other device has of it is gone");
        return Err(ErrorInfo::params(message));
    }
    let space = space_of(caller, &delete.space).await?;
    space.delete().await?;
    done()
}

/// Who has stored a space, or an object of it.
pub(crate) async fn sync_status(
    space: &Space,
    object: Option<&str>,
) -> Result<SyncStatusInfo, ErrorInfo> {
    let status = match object {
        None => space.sync_status().await?,
        Some(object) => space.object_sync_status(parse("object", object)?).await?,
    };
    Ok(convert::sync_status(&status))
}

/// How far the erasure of a space is that was asked for last.
pub(crate) async fn erasure(space: &Space) -> Result<Option<ErasureInfo>, ErrorInfo> {
    let erasure = space.erasure().await?;
    Ok(erasure.as_ref().map(convert::erasure))
}

/// The epochs of a space, the latest first.
pub(crate) async fn epochs(space: &Space) -> Result<Vec<EpochInfo>, ErrorInfo> {
    let epochs = space.epochs().await?;
    Ok(epochs.iter().map(convert::epoch).collect())
}
