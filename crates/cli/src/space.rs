//! Commands on spaces and their objects.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Result;
use dxos_client::{Departure, Map, MemberReport, SpaceReport, map};
use serde_json::json;

use crate::arguments::DeleteOptions;
use crate::identity::online_text;
use crate::output::{Output, table};
use crate::select::confirm;
use crate::session::{Session, end, find_space, name_of};

pub(crate) async fn create(session: &Session, name: Option<String>, output: Output) -> Result<()> {
    let client = session.local().await?;
    let properties = name.map_or_else(Map::new, |name| map! { "name" => name });
    let created = match client.echo().create_space(properties).await {
        Ok(space) => space.report().await,
        Err(error) => Err(error),
    };
    end(&client).await?;
    let report = created?;
    output.result(&json!(report), || list_text(std::slice::from_ref(&report)));
    Ok(())
}

pub(crate) async fn list(session: &Session, output: Output) -> Result<()> {
    let client = session.local().await?;
    let reports = client.echo().reports().await;
    end(&client).await?;
    let reports = reports?;
    output.result(&json!(reports), || list_text(&reports));
    Ok(())
}

pub(crate) async fn show(session: &Session, space: &str, output: Output) -> Result<()> {
    let client = session.local().await?;
    let shown = async {
        let space = find_space(&client, space).await?;
        let (report, members) = (space.report().await?, space.members().await?);
        anyhow::Ok((report, members, space.state_hash().await?))
    };
    let shown = shown.await;
    end(&client).await?;
    let (report, members, hash) = shown?;
    let mut json = json!(report);
    if let Some(json) = json.as_object_mut() {
        json.insert("members".to_owned(), json!(members));
        json.insert("state_hash".to_owned(), json!(hash));
    }
    output.result(&json, || {
        format!(
            "key         {}\nname        {}\nrole        {}\nstate hash  {hash}\nobjects     {}\n\
             blocks      {}\n{}\n{}",
            report.space,
            name_of(&report)
                .as_deref()
                .map(crate::output::printable)
                .unwrap_or_default(),
            role_text(&report),
            report.objects,
            report.blocks,
            forks_text(&report),
            members_text(&members)
        )
    });
    Ok(())
}

/// Which devices wrote two things in one place, as one that was copied or restored does.
fn forks_text(report: &SpaceReport) -> String {
    let devices: BTreeSet<_> = report
        .forks
        .iter()
        .map(|fork| fork.device.short())
        .collect();
    match devices.into_iter().collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => none,
        devices => format!("forked by   {devices}\n"),
    }
}

pub(crate) async fn open(session: &Session, space: &str, output: Output) -> Result<()> {
    let client = session.local().await?;
    let opened = async {
        let space = find_space(&client, space).await?;
        space.open().await?;
        anyhow::Ok(space.report().await?)
    };
    let opened = opened.await;
    end(&client).await?;
    let report = opened?;
    output.result(&json!(report), || list_text(std::slice::from_ref(&report)));
    Ok(())
}

pub(crate) async fn close(session: &Session, space: &str, output: Output) -> Result<()> {
    let client = session.local().await?;
    let closed = async {
        let space = find_space(&client, space).await?;
        space.close().await?;
        anyhow::Ok(space.report().await?)
    };
    let closed = closed.await;
    end(&client).await?;
    let report = closed?;
    output.result(&json!(report), || list_text(std::slice::from_ref(&report)));
    Ok(())
}

pub(crate) async fn delete(
    session: &Session,
    options: DeleteOptions,
    output: Output,
) -> Result<()> {
    let client = session.local().await?;
    let deleted = async {
        let space = find_space(&client, &options.space).await?;
        let report = space.report().await?;
        let name = name_of(&report).unwrap_or_else(|| report.space.short());
        let name = crate::output::printable(&name);
        let what = format!(
            "delete {name} on this device, with {} objects that may be nowhere else",
            report.objects
        );
        confirm(what, options.confirm, output).await?;
        space.delete().await?;
        anyhow::Ok((report.space, name))
    };
    let deleted = deleted.await;
    end(&client).await?;
    let (space, name) = deleted?;
    output.result(&json!({ "deleted": space }), || {
        format!("{name} is deleted on this device")
    });
    Ok(())
}

pub(crate) fn list_text(reports: &[SpaceReport]) -> String {
    if reports.is_empty() {
        return "no spaces yet; `dx space create NAME` makes one".to_owned();
    }
    let rows = reports.iter().map(|report| {
        vec![
            report.space.short(),
            name_of(report).unwrap_or_default(),
            report.state.to_string(),
            role_text(report),
            report.objects.to_string(),
            report.blocks.to_string(),
        ]
    });
    let mut text = table(
        &["space", "name", "state", "role", "objects", "blocks"],
        rows,
    );
    for report in reports {
        if let Some(reason) = &report.reason {
            let _ = write!(text, "\n\n{}: {reason}", report.space.short());
        }
    }
    text
}

/// What this profile is in a space, or how it came to be nothing there any more.
fn role_text(report: &SpaceReport) -> String {
    let role = report.role.map(|role| role.to_string());
    departure_text(report).or(role).unwrap_or_default()
}

/// Why this device has no part in a space any more; `None` where it has one.
pub(crate) fn departure_text(report: &SpaceReport) -> Option<String> {
    why_gone(report.departure, report.revoked)
}

fn why_gone(departure: Option<Departure>, revoked: bool) -> Option<String> {
    if revoked {
        return Some("this device was revoked".to_owned());
    }
    let text = match departure? {
        Departure::Left => "left".to_owned(),
        Departure::Removed { by } => format!("removed by {}", by.short()),
        Departure::InvitationLost { .. } => {
            "not admitted: another guest used the invitation; ask for a new one".to_owned()
        }
        _ => "no member any more".to_owned(),
    };
    Some(text)
}

pub(crate) fn members_text(members: &[MemberReport]) -> String {
    let rows = members.iter().map(|member| {
        vec![
            member.identity.short(),
            member.profile.display_name.clone().unwrap_or_default(),
            member.role.to_string(),
            member.devices.len().to_string(),
            online_text(member.online),
        ]
    });
    table(&["member", "name", "role", "devices", "online"], rows)
}

#[cfg(test)]
mod tests {
    use dxos_client::{IdentityKey, InvitationId};

    use super::*;

    #[test]
    fn whoever_has_no_part_in_a_space_any_more_is_told_why() {
        let invitation = InvitationId::from_bytes([1; 16]);
        let by = IdentityKey::from_bytes([2; 32]);
        for (departure, revoked, said) in [
            (
                Some(Departure::InvitationLost { invitation }),
                false,
                "another guest",
            ),
            (Some(Departure::Removed { by }), false, "removed by"),
            (Some(Departure::Left), false, "left"),
            (None, true, "this device was revoked"),
        ] {
            let text = why_gone(departure, revoked).unwrap();
            assert!(text.contains(said), "{text}");
        }
        assert_eq!(why_gone(None, false), None);
    }
}
