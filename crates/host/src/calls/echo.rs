//! Spaces.

use std::collections::BTreeMap;

use dxos_client::{ClientError, FeedId, Invitation, Map, Space, SpaceKey, Topic};
use serde_json::Value;

use super::{
    Answer, care, done, history, invitations, json, object, own_identity, params, query, queue,
    space_of,
};
use crate::convert::{self, parse};
use crate::protocol::{
    AcceptInvitation, CreateSpace, ErrorInfo, LeaveSpace, MemberInfo, MemberParams, NetworkInfo,
    Nothing, PostMessage, SpaceInfo, SpaceParams, StateHashInfo, UpdateMemberRole, UpdateSpace,
};
use crate::shared::Caller;

pub(super) async fn call(caller: &Caller, method: &str, given: Value) -> Answer {
    let echo = caller.shared.client.echo();
    match method {
        "echo.spaces" => {
            params::<Nothing>(given)?;
            json(&spaces(caller).await?)
        }
        "echo.space" => {
            let space = named(caller, given).await?;
            json(&convert::space(&space.report().await?))
        }
        "echo.createSpace" => {
            let create: CreateSpace = params(given)?;
            let properties = convert::map("properties", &create.properties)?;
            let space = echo.create_space(properties).await?;
            json(&convert::space(&space.report().await?))
        }
        "echo.updateSpace" => update(caller, &params(given)?).await,
        "echo.members" => {
            let space = named(caller, given).await?;
            json(&members(caller, &space).await?)
        }
        "echo.removeMember" => {
            let remove: MemberParams = params(given)?;
            let space = space_of(caller, &remove.space).await?;
            space
                .remove_member(parse("identity", &remove.identity)?)
                .await?;
            done()
        }
        "echo.updateMemberRole" => {
            let update: UpdateMemberRole = params(given)?;
            let space = space_of(caller, &update.space).await?;
            let identity = parse("identity", &update.identity)?;
            space
                .update_member_role(identity, convert::to_role(update.role))
                .await?;
            done()
        }
        "echo.leaveSpace" => {
            let leave: LeaveSpace = params(given)?;
            let space = space_of(caller, &leave.space).await?;
            let successor = leave
                .successor
                .map(|identity| parse("successor", &identity));
            space.leave(successor.transpose()?).await?;
            done()
        }
        "echo.createInvitation" => invitations::create_for_space(caller, params(given)?).await,
        "echo.invitations" => {
            let space = named(caller, given).await?;
            json(&invitations::of_space(&space).await?)
        }
        "echo.cancelInvitation" => invitations::cancel_for_space(caller, &params(given)?).await,
        "echo.acceptInvitation" => {
            let accept: AcceptInvitation = params(given)?;
            let invitation: Invitation = parse("invitation", &accept.invitation)?;
            let flow = echo.accept_invitation(invitation.clone()).await?;
            json(&caller.shared.flows.add(invitation, flow)?)
        }
        "echo.credentials" => {
            let space = named(caller, given).await?;
            let credentials = space.credentials().await?;
            json(
                &credentials
                    .iter()
                    .map(convert::credential)
                    .collect::<Vec<_>>(),
            )
        }
        "echo.stateHash" => {
            let space = named(caller, given).await?;
            let hash = space.state_hash().await?.to_string();
            json(&StateHashInfo { hash })
        }
        "echo.flush" => {
            named(caller, given).await?.db().flush().await?;
            done()
        }
        "echo.postMessage" => {
            let post: PostMessage = params(given)?;
            let space = space_of(caller, &post.space).await?;
            space
                .post_message(&post.channel, post.payload.to_string())
                .await?;
            done()
        }
        "echo.conflicts" | "echo.history" | "echo.undo" | "echo.timeframe" | "echo.objectAt"
        | "echo.queryAt" | "echo.diff" | "echo.feeds" | "echo.blocks" => {
            history::call(caller, method, given).await
        }
        "echo.openSpace" | "echo.closeSpace" | "echo.deleteSpace" | "echo.stats"
        | "echo.syncStatus" | "echo.epochs" | "echo.createEpoch" | "echo.trim" | "echo.erase"
        | "echo.erasure" => care::call(caller, method, given).await,
        "echo.appendItems" | "echo.readQueue" | "echo.readItems" | "echo.setRetention"
        | "echo.queues" => queue::call(caller, method, given).await,
        "echo.query" | "echo.page" | "echo.count" | "echo.groupCount" | "echo.explain"
        | "echo.parseQuery" | "echo.formatQuery" => query::call(caller, method, given).await,
        _ => object::call(caller, method, given).await,
    }
}

async fn named(caller: &Caller, given: Value) -> Result<Space, ErrorInfo> {
    let of: SpaceParams = params(given)?;
    space_of(caller, &of.space).await
}

async fn update(caller: &Caller, update: &UpdateSpace) -> Answer {
    let space = space_of(caller, &update.space).await?;
    let mut set = Map::new();
    let mut unset = Vec::new();
    for (key, value) in convert::map("properties", &update.properties)? {
        if value.is_null() {
            unset.push(key);
        } else {
            set.insert(key, value);
        }
    }
    space.update_properties(set, unset).await?;
    json(&convert::space(&space.report().await?))
}

/// All spaces, by key.
pub(crate) async fn spaces(caller: &Caller) -> Result<Vec<SpaceInfo>, ErrorInfo> {
    let mut reports = caller.shared.client.echo().reports().await?;
    reports.sort_by_key(|report| report.space);
    Ok(reports.iter().map(convert::space).collect())
}

/// The members of a space.
pub(crate) async fn members(caller: &Caller, space: &Space) -> Result<Vec<MemberInfo>, ErrorInfo> {
    let own = own_identity(caller).await?;
    let members = space.members().await?;
    Ok(members
        .iter()
        .map(|member| convert::member(member, own))
        .collect())
}

/// The network, with the names of spaces.
pub(crate) async fn network_info(caller: &Caller) -> Result<NetworkInfo, ErrorInfo> {
    let client = &caller.shared.client;
    let device = client.mesh().device()?.to_string();
    let report = match client.mesh().network_status().await {
        Err(ClientError::NoNetwork) => return Ok(convert::no_network(&device)),
        report => report?,
    };
    let spaces: BTreeMap<Topic, SpaceKey> = match client.echo().reports().await {
        Ok(reports) => reports
            .iter()
            .map(|report| (report.topic, report.space))
            .collect(),
        Err(_) => BTreeMap::new(),
    };
    Ok(convert::network(&report, &device, &spaces))
}

/// The feed that a client names.
pub(super) fn feed_of(text: &str) -> Result<FeedId, ErrorInfo> {
    parse("feed", text)
}
