//! `dx doctor`: whether what is stored is whole, and `dx gc`: what nobody needs.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use dxos_client::{DoctorReport, FindingKind};
use serde_json::json;

use crate::output::{Output, printable};
use crate::session::{Session, end};

/// Fails, after it has told what, when something is wrong and was not repaired.
pub(crate) async fn run(session: &Session, repair: bool, output: Output) -> Result<()> {
    let client = session.repairing(repair).local().await?;
    let checked = client.doctor(repair).await;
    end(&client).await?;
    let report = checked.context("what is stored cannot be checked")?;
    let mut json = json!(report);
    if let Some(json) = json.as_object_mut() {
        json.insert("whole".to_owned(), json!(report.is_whole()));
    }
    output.result(&json, || text(&report, repair));
    ensure!(report.is_whole(), "not everything that is stored is whole");
    Ok(())
}

fn text(report: &DoctorReport, repair: bool) -> String {
    let mut text = String::new();
    let (mut derived, mut lost) = (false, false);
    for space in &report.spaces {
        let state = match (space.findings.is_empty(), space.repaired) {
            (true, _) => "whole",
            (false, true) => "was not whole, and is made anew",
            (false, false) => "not whole",
        };
        let _ = writeln!(
            text,
            "{}  {state}: {} blocks, {} objects, {} rows of indexes",
            space.space.short(),
            space.blocks,
            space.objects,
            space.index_rows
        );
        for finding in &space.findings {
            derived |= finding.kind.is_derived() && !space.repaired;
            lost |= !finding.kind.is_derived() && finding.kind != FindingKind::Restore;
            let _ = writeln!(text, "  {}: {}", finding.kind, printable(&finding.text));
        }
        if space.more > 0 {
            let _ = writeln!(text, "  and {} more", space.more);
        }
    }
    let emptied = report.derived.emptied;
    for finding in &report.derived.findings {
        let then = if emptied && finding.kind.is_derived() {
            "; all of them were deleted, and are made anew"
        } else {
            ""
        };
        derived |= finding.kind.is_derived() && !emptied;
        let _ = writeln!(text, "{}: {}{then}", finding.kind, printable(&finding.text));
    }
    let orphans = report.orphans;
    if orphans.rows > 0 {
        let what = if report.orphans_removed {
            "removed"
        } else {
            "found"
        };
        let _ = writeln!(
            text,
            "{what} {} rows ({} bytes) of spaces that are not here",
            orphans.rows, orphans.bytes
        );
    }
    if repair && derived {
        text += "what follows from the blocks could not all be made anew\n";
    } else if derived || orphans.rows > 0 && !report.orphans_removed {
        text +=
            "dx doctor --repair makes anew what follows from the blocks, and removes the rest\n";
    }
    if lost {
        text += "damaged blocks cannot be made anew: export what can be read, `dx space delete` \
                 the space, and join it again from another device, or restore an archive\n";
    }
    if report.is_whole() {
        text += "everything is whole";
    }
    text.trim_end().to_owned()
}

pub(crate) async fn gc(session: &Session, output: Output) -> Result<()> {
    let client = session.local().await?;
    let collected = client.gc().await;
    end(&client).await?;
    let report = collected.context(
        "not everything could be read or written; `dx doctor` tells what is damaged, and with \
         --repair makes anew what can be",
    )?;
    output.result(&json!(report), || {
        format!(
            "{} rows of spaces that are not here are removed; {} bytes on the disk, {} before",
            report.removed.rows, report.disk_bytes_after, report.disk_bytes_before
        )
    });
    Ok(())
}
