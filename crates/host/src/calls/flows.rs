//! Invitations that are being accepted. They belong to the host: a page may go and come back.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use dxos_client::{Invitation, InvitationFlow};
use serde_json::Value;

use super::{Answer, done, json, params, unknown};
use crate::convert::{self, FlowTerms, parse};
use crate::limits::{FLOW_LIFE, FLOWS_MAX};
use crate::protocol::{
    Authenticate, ErrorInfo, FlowInfo, FlowParams, InvitationText, Nothing, ReadInvitation,
};
use crate::shared::Caller;

/// All flows of a host.
#[derive(Debug, Default)]
pub(crate) struct Flows(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    next: u32,
    flows: BTreeMap<u32, Flow>,
}

/// An invitation that is being accepted, or was.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) terms: FlowTerms,
    pub(crate) joining: InvitationFlow,
    /// When it was first seen to have ended.
    ended: Option<Instant>,
}

impl Flow {
    pub(crate) fn info(&self) -> FlowInfo {
        convert::flow(&self.terms, &self.joining)
    }
}

impl Flows {
    fn table(&self) -> MutexGuard<'_, Table> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        for flow in table.flows.values_mut() {
            if flow.ended.is_none() && flow.joining.status().state.is_final() {
                flow.ended = Some(now);
            }
        }
        let fresh = |flow: &Flow| flow.ended.is_none_or(|ended| now - ended < FLOW_LIFE);
        table.flows.retain(|_, flow| fresh(flow));
        table
    }

    pub(crate) fn add(
        &self,
        invitation: Invitation,
        flow: InvitationFlow,
    ) -> Result<FlowInfo, ErrorInfo> {
        let mut table = self.table();
        if table.flows.len() >= FLOWS_MAX {
            let ended = table.flows.iter().find(|(_, flow)| flow.ended.is_some());
            let Some(ended) = ended.map(|(number, _)| *number) else {
                let message = format!("{FLOWS_MAX} invitations are being accepted; cancel one");
                return Err(ErrorInfo::limit("flows", message));
            };
            table.flows.remove(&ended);
        }
        table.next = table.next.wrapping_add(1);
        let number = table.next;
        let flow = Flow {
            terms: FlowTerms {
                flow: number,
                invitation,
            },
            joining: flow,
            ended: None,
        };
        let info = flow.info();
        table.flows.insert(number, flow);
        Ok(info)
    }

    pub(crate) fn find(&self, number: u32) -> Result<Flow, ErrorInfo> {
        let found = self.table().flows.get(&number).cloned();
        found.ok_or_else(|| {
            let message = format!("there is no flow {number}, or it ended some time ago");
            ErrorInfo::not_found("unknownFlow", message)
        })
    }

    fn list(&self) -> Vec<FlowInfo> {
        self.table().flows.values().map(Flow::info).collect()
    }
}

pub(super) async fn call(caller: &Caller, method: &str, given: Value) -> Answer {
    let flows = &caller.shared.flows;
    match method {
        "invitation.flows" => {
            params::<Nothing>(given)?;
            json(&flows.list())
        }
        "invitation.authenticate" => {
            let authenticate: Authenticate = params(given)?;
            let flow = flows.find(authenticate.flow)?;
            flow.joining.authenticate(&authenticate.code).await?;
            json(&flow.info())
        }
        "invitation.cancel" => {
            let cancel: FlowParams = params(given)?;
            flows.find(cancel.flow)?.joining.cancel();
            done()
        }
        "invitation.read" => {
            let read: ReadInvitation = params(given)?;
            let invitation: Invitation = parse("invitation", &read.invitation)?;
            json(&InvitationText {
                id: invitation.id.to_string(),
                kind: convert::invitation_kind(invitation.kind),
                target: invitation.target.clone(),
                authentication: convert::authentication(invitation.authentication()),
                expires_ms: invitation.expires_ms,
            })
        }
        _ => Err(unknown(method)),
    }
}
