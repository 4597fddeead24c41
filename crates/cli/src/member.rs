//! `dx member` and `dx space leave`.

use anyhow::{Result, bail};
use dxos_client::{Client, ClientError, EchoError, IdentityKey, MemberReport};
use serde_json::json;

use crate::arguments::{LeaveOptions, MemberCommand};
use crate::identity::later;
use crate::output::{Output, printable};
use crate::select::{called, confirm, find_member};
use crate::session::{Session, end, find_space};
use crate::space::members_text;

pub(crate) async fn run(session: &Session, command: MemberCommand, output: Output) -> Result<()> {
    let client = session.local().await?;
    let result = apply(&client, command, output).await;
    end(&client).await?;
    let members = result?;
    output.result(&json!(members), || members_text(&members));
    Ok(())
}

/// Does it and returns the members that there are then.
async fn apply(
    client: &Client,
    command: MemberCommand,
    output: Output,
) -> Result<Vec<MemberReport>> {
    let space = match command {
        MemberCommand::List { space } => find_space(client, &space).await?,
        MemberCommand::Remove {
            space,
            member,
            confirm: options,
        } => {
            let space = find_space(client, &space).await?;
            let member = find_member(&space, &member).await?;
            let name = called(member.profile.display_name.as_deref(), member.identity);
            let what = if Some(member.identity) == own(client).await? {
                format!("remove yourself, {name}, from the space for good")
            } else {
                format!("remove {name} from the space")
            };
            confirm(what, options, output).await?;
            space.remove_member(member.identity).await?;
            later(output);
            space
        }
        MemberCommand::Role {
            space,
            member,
            role,
        } => {
            let space = find_space(client, &space).await?;
            let member = find_member(&space, &member).await?;
            space
                .update_member_role(member.identity, role.into())
                .await?;
            later(output);
            space
        }
    };
    Ok(space.members().await?)
}

/// Who this profile is.
async fn own(client: &Client) -> Result<Option<IdentityKey>> {
    let identity = client.halo().identity().await?;
    Ok(identity.map(|identity| identity.identity))
}

pub(crate) async fn leave(session: &Session, options: LeaveOptions, output: Output) -> Result<()> {
    let client = session.local().await?;
    let left = async {
        let space = find_space(&client, &options.space).await?;
        let successor = match &options.successor {
            Some(member) => Some(find_member(&space, member).await?.identity),
            None => None,
        };
        let what = format!("leave {} for good", printable(&options.space));
        confirm(what, options.confirm, output).await?;
        match space.leave(successor).await {
            Err(error @ ClientError::Echo(EchoError::LastAdmin { .. })) => {
                bail!("{error}: give the next admin with --successor MEMBER")
            }
            left => left?,
        }
        Ok(space.report().await?)
    };
    let left = left.await;
    end(&client).await?;
    let report = left?;
    output.result(&json!(report), || format!("left {}", report.space));
    later(output);
    Ok(())
}
