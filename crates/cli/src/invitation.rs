//! `dx invitation list` and `cancel`.

use anyhow::{Result, bail};
use dxos_client::{Client, InvitationId, InvitationReport, InvitationType, Role};
use serde_json::{Value, json};

use crate::identity::later;
use crate::output::{Output, table};
use crate::session::{Session, end, find_space};

/// Lists the open invitations of a space.
pub(crate) async fn list(session: &Session, space: &str, output: Output) -> Result<()> {
    // Where this device listens stands in the text of an invitation.
    let client = session.online().await?;
    let listed = async { anyhow::Ok(find_space(&client, space).await?.invitations().await?) };
    let listed = listed.await;
    end(&client).await?;
    let listed = listed?;
    let json: Vec<Value> = listed.iter().map(to_json).collect();
    output.result(&json!(json), || text(&listed));
    Ok(())
}

/// Cancels an invitation, whatever it is to.
pub(crate) async fn cancel(session: &Session, id: InvitationId, output: Output) -> Result<()> {
    let client = session.local().await?;
    let cancelled = find_and_cancel(&client, id).await;
    end(&client).await?;
    let everywhere = cancelled? == InvitationType::Delegated;
    output.result(&json!({ "cancelled": id, "delegated": everywhere }), || {
        let what = if everywhere {
            "no device of an admin admits anybody with it once it has heard of this"
        } else {
            "nobody can join with it any more"
        };
        format!("cancelled {id}; {what}")
    });
    if everywhere {
        later(output);
    }
    Ok(())
}

/// Returns of what type it was.
async fn find_and_cancel(client: &Client, id: InvitationId) -> Result<InvitationType> {
    for space in client.echo().spaces().await? {
        let open = space.invitations().await?;
        if let Some(open) = open.iter().find(|open| open.id == id) {
            space.cancel_invitation(id).await?;
            return Ok(open.invitation_type);
        }
    }
    let devices = client.halo().invitations().await.unwrap_or_default();
    if let Some(open) = devices.iter().find(|open| open.id == id) {
        client.halo().cancel_invitation(id).await?;
        return Ok(open.invitation_type);
    }
    bail!("there is no open invitation {id}; `dx invitation list SPACE` shows all")
}

fn to_json(report: &InvitationReport) -> Value {
    json!({
        "id": report.id,
        "kind": report.kind,
        "type": report.invitation_type,
        "space": report.space,
        "role": report.role,
        "authentication": report.authentication,
        "single_use": report.single_use,
        "history": report.history,
        "expires_ms": report.expires_ms,
        "by": report.by,
        "uses": report.uses,
        "state": report.status.state,
        "attempts_left": report.status.attempts_left,
        "invitation": report.invitation.as_ref().map(ToString::to_string),
        "code": report.code.as_ref().map(dxos_client::InvitationCode::as_str),
    })
}

fn text(reports: &[InvitationReport]) -> String {
    let rows = reports.iter().map(|report| {
        let uses = match (report.single_use, report.uses) {
            (true, _) => "one".to_owned(),
            (false, uses) => format!("many, {uses} so far"),
        };
        let hosts = match report.invitation_type {
            InvitationType::Delegated => "all admins",
            _ => "this device",
        };
        let role = match report.role {
            Role::Admin => "admin",
            Role::Editor => "editor",
            Role::Reader => "reader",
            Role::Replicator => "replicator",
        };
        let code = report.code.as_ref();
        vec![
            report.id.to_string(),
            role.to_owned(),
            hosts.to_owned(),
            uses,
            code.map(|code| code.as_str().to_owned())
                .unwrap_or_default(),
            report
                .invitation
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ]
    });
    table(
        &["id", "role", "hosts", "guests", "code", "invitation"],
        rows,
    )
}
