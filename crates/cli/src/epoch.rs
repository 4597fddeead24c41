//! Commands on the epochs of a space.

use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;
use dxos_client::{EpochOptions, EpochReport, EpochState};
use serde_json::json;

use crate::output::{Output, table};
use crate::session::{Session, end, find_space};

/// How often it is looked whether all is deleted.
const LOOK: Duration = Duration::from_millis(20);

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
        // They are deleted bit by bit, while the client runs.
        while space.epochs().await?.iter().any(|epoch| epoch.is_tidying) {
            tokio::time::sleep(LOOK).await;
        }
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
