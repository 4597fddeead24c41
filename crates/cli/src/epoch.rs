//! Commands on the epochs of a space.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Subcommand;
use dxos_client::{
    Authentication, DeviceKey, EpochOptions, EpochReport, EpochState, ErasureReport, ErasureState,
    InvitationReport, InvitationType, Space,
};
use serde_json::json;

use crate::output::{Output, table};
use crate::session::{Session, end, find_space};

/// How often it is looked whether all is deleted.
const LOOK: Duration = Duration::from_millis(20);
/// How long it is waited for what was erased to be destroyed on this device.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Subcommand)]
pub(crate) enum EpochCommand {
    /// Sign a snapshot that stands for what was written before
    Create {
        /// The space: its key, the beginning of its key, or its name
        space: String,
        /// Let members who joined without the history read the state as it is now
        #[arg(long)]
        share_state: bool,
    },
    /// Have what was deleted destroyed on every device, with the keys that it was sealed with
    Erase {
        /// The space: its key, the beginning of its key, or its name
        space: String,
        /// Let members who joined without the history read the state as it is now
        #[arg(long)]
        share_state: bool,
        /// Ask for nothing: say how far the last one is
        #[arg(long, conflicts_with = "share_state")]
        status: bool,
    },
    /// List the epochs of a space, the latest first
    List {
        /// The space: its key, the beginning of its key, or its name
        space: String,
    },
    /// Drop what the current epoch stands for from this device; history before it is gone then
    Trim {
        /// The space: its key, the beginning of its key, or its name
        space: String,
        /// Also while devices of admins may still contest the epoch
        #[arg(long)]
        force: bool,
    },
}

pub(crate) async fn run(session: &Session, command: EpochCommand, output: Output) -> Result<()> {
    match command {
        EpochCommand::Create { space, share_state } => {
            create(session, &space, share_state, output).await
        }
        EpochCommand::Erase {
            space,
            share_state,
            status,
        } => erase(session, &space, (share_state, status), output).await,
        EpochCommand::List { space } => list(session, &space, output).await,
        EpochCommand::Trim { space, force } => trim(session, &space, force, output).await,
    }
}

async fn create(session: &Session, space: &str, share_state: bool, output: Output) -> Result<()> {
    let client = session.local().await?;
    let created = async {
        let space = find_space(&client, space).await?;
        let mut options = EpochOptions::new();
        options.share_state = share_state;
        anyhow::Ok(space.create_epoch(options).await?)
    };
    let created = created.await;
    end(&client).await?;
    let report = created?;
    output.result(&json!(report), || text(std::slice::from_ref(&report)));
    Ok(())
}

async fn erase(
    session: &Session,
    space: &str,
    (share_state, is_status): (bool, bool),
    output: Output,
) -> Result<()> {
    let client = session.local().await?;
    let erased = async {
        let space = find_space(&client, space).await?;
        // Without a network nobody hosts any.
        let invitations = space.invitations().await.unwrap_or_default();
        let by_code = |report: &&InvitationReport| {
            report.authentication == Authentication::SharedSecret
                && report.invitation_type == InvitationType::Delegated
        };
        let codes = invitations.iter().filter(by_code).count();
        if is_status {
            return anyhow::Ok((space.erasure().await?, codes));
        }
        let mut options = EpochOptions::new();
        options.share_state = share_state;
        let mut report = space.erase(options).await?;
        // What waits for nobody is done bit by bit, while the client runs.
        let until = tokio::time::Instant::now() + PATIENCE;
        while report.state == ErasureState::Erasing
            && report.waits_for.is_empty()
            && tokio::time::Instant::now() < until
        {
            tokio::time::sleep(LOOK).await;
            report = space.erasure().await?.unwrap_or(report);
        }
        Ok((Some(report), codes))
    };
    let erased = erased.await;
    end(&client).await?;
    let (report, codes) = erased?;
    let mut json = json!(report);
    if let Some(json) = json.as_object_mut() {
        json.insert("delegated_with_code".to_owned(), json!(codes));
    }
    output.result(&json, || {
        report.as_ref().map_or_else(
            || "nothing was erased yet; `dx space epoch erase SPACE` does".to_owned(),
            |report| erasure_text(report) + &codes_text(codes),
        )
    });
    Ok(())
}

/// What is to be done about delegated invitations, whose codes are sealed for keys that an erasure
/// replaces.
fn codes_text(codes: usize) -> String {
    if codes == 0 {
        return String::new();
    }
    format!(
        "\n{codes} delegated invitations have a code, which an erasure makes those devices forget \
         that have not hosted them; make them again if these are to host them"
    )
}

fn erasure_text(report: &ErasureReport) -> String {
    let devices = report.waits_for.iter().map(DeviceKey::short);
    let devices: Vec<_> = devices.collect();
    let text = match report.state {
        ErasureState::Acknowledging => format!(
            "waits until these devices have been online: {}; revoke those that are lost",
            devices.join(", ")
        ),
        ErasureState::Requested => match report.missing_blocks {
            0 => {
                "all devices agreed; an admin's device creates the epoch next, while it is online: \
                  run `dx serve` there"
                    .to_owned()
            }
            missing => format!("all devices agreed; {missing} blocks are still to come"),
        },
        ErasureState::Erasing if !devices.is_empty() => format!(
            "the epoch is there; waits for devices of admins to agree: {}",
            devices.join(", ")
        ),
        ErasureState::Erasing => {
            "the epoch is there; this device destroys what it has as long as it runs: `dx serve`, \
             or `dx space epoch erase` once more, goes on with it"
                .to_owned()
        }
        ErasureState::Done => format!(
            "done on this device: what was deleted is gone, with {} keys",
            report.keys
        ),
        _ => "unknown".to_owned(),
    };
    if report.recovery_keys.is_empty() {
        return text;
    }
    let phrases = report.recovery_keys.len();
    format!(
        "{text}\nwhoever has one of {phrases} recovery phrases, and kept the blocks, can still read them"
    )
}

async fn list(session: &Session, space: &str, output: Output) -> Result<()> {
    let client = session.local().await?;
    let listed = async {
        let space = find_space(&client, space).await?;
        anyhow::Ok(space.epochs().await?)
    };
    let listed = listed.await;
    end(&client).await?;
    let reports = listed?;
    output.result(&json!(reports), || text(&reports));
    Ok(())
}

async fn trim(session: &Session, space: &str, force: bool, output: Output) -> Result<()> {
    let client = session.local().await?;
    let trimmed = async {
        let space = find_space(&client, space).await?;
        let blocks = space.trim(force).await?;
        deleted(&space).await?;
        anyhow::Ok(blocks)
    };
    let trimmed = trimmed.await;
    end(&client).await?;
    let blocks = trimmed?;
    output.result(&json!({ "blocks": blocks }), || {
        format!("dropped what the epoch stands for: {blocks} blocks")
    });
    Ok(())
}

/// Waits until blocks that are not needed are deleted: that is done bit by bit, while the client
/// runs.
async fn deleted(space: &Space) -> Result<()> {
    let mut left = u64::MAX;
    let mut until = tokio::time::Instant::now() + PATIENCE;
    while space.epochs().await?.iter().any(|epoch| epoch.is_tidying) {
        let blocks = space.report().await?.blocks;
        if blocks != left {
            left = blocks;
            until = tokio::time::Instant::now() + PATIENCE;
        }
        if tokio::time::Instant::now() >= until {
            bail!(
                "the old blocks are marked as dropped, and are not deleted yet: is there room on \
                 the disk? It goes on with the next start"
            );
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

fn text(reports: &[EpochReport]) -> String {
    if reports.is_empty() {
        return "no epochs yet; `dx space epoch create SPACE` makes one".to_owned();
    }
    let number = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
    let rows = reports.iter().map(|report| {
        let state = match report.state {
            EpochState::Current if report.is_trimmed => "current, trimmed",
            EpochState::Current => "current",
            EpochState::Loading => "loading",
            EpochState::Superseded => "superseded",
            EpochState::Refused => "refused",
            _ => "unknown",
        };
        vec![
            report.number.to_string(),
            report.by.short(),
            state.to_owned(),
            number(report.objects),
            number(report.blocks),
        ]
    });
    table(&["epoch", "by", "state", "objects", "blocks before"], rows)
}
