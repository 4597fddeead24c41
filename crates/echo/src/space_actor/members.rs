//! Members, their roles and devices, and invitations that any admin may host.

use std::collections::BTreeSet;

use dxos_actors::{Answer, Context, Receive};
use dxos_credentials::Delegated;
use dxos_keys::{ContentKey, DeviceKey};
use dxos_protocol::echo::{
    AdmissionTicket, AdmitMember, CancelDelegated, DelegateInvitation, EchoError, FindRecovery,
    GetTicket, LeaveSpace, ListDelegated, ListDevices, ListMembers, ListRecoveryKeys, MemberReport,
    OpenMessage, OwnDevices, QueryCredentials, Recovery, RemoveMember, RestoreDevice, RevokeDevice,
    SealMessage, SetMemberProfile, SetRole, SpaceCredential, UseDevices,
};

use super::SpaceActor;
use crate::core::{Guest, Outcome};

/// Requests that append to the control feeds: acknowledged when that cannot be lost any more.
macro_rules! durable {
    ($($message:ident($space:ident, $request:ident, $now_ms:ident, $parts:ident) $step:block)*) => {$(
        impl Receive<$message> for SpaceActor {
            fn receive(
                &mut self,
                $request: $message,
                ctx: &Context<Self>,
            ) -> Answer<Result<(), EchoError>> {
                let result = self.step(ctx, |$space, $now_ms, $parts| $step);
                match result {
                    Ok(()) => self.durable((), ctx),
                    Err(error) => Answer::Now(Err(error)),
                }
            }
        }
    )*};
}

durable! {
    RemoveMember(space, request, now_ms, parts) {
        space.remove_member(request.identity, now_ms, (parts.0, parts.1))
    }
    SetRole(space, request, now_ms, parts) {
        space.set_role(request.identity, request.role, now_ms, (parts.0, parts.1))
    }
    LeaveSpace(space, request, now_ms, parts) {
        space.leave(request.successor, now_ms, parts.0)
    }
    SetMemberProfile(space, request, now_ms, parts) {
        space.set_profile(request.profile, now_ms, parts.0)
    }
    RevokeDevice(space, request, now_ms, parts) {
        space.revoke_device(request.device, now_ms, (parts.0, parts.1))
    }
    RestoreDevice(space, request, now_ms, parts) {
        space.restore_device(request.device, now_ms, parts.0)
    }
    DelegateInvitation(space, request, now_ms, parts) {
        space.delegate(request, now_ms, (parts.0, parts.1))
    }
    CancelDelegated(space, request, now_ms, parts) {
        space.cancel_delegated(request.invitation, now_ms, parts.0)
    }
}

impl Receive<AdmitMember> for SpaceActor {
    fn receive(
        &mut self,
        message: AdmitMember,
        ctx: &Context<Self>,
    ) -> Answer<Result<AdmissionTicket, EchoError>> {
        let AdmitMember {
            chain,
            role,
            profile,
            invitation,
            history,
            ..
        } = message;
        let guest = Guest {
            chain,
            role,
            profile,
            invitation,
            history,
        };
        let result = self.step(ctx, |space, now_ms, (store, rng)| {
            space.admit(guest, now_ms, (store, rng))
        });
        // The guest is told of its admission only when it cannot be lost any more.
        match result {
            Ok(ticket) => self.durable(ticket, ctx),
            Err(error) => Answer::Now(Err(error)),
        }
    }
}

impl Receive<ListMembers> for SpaceActor {
    fn receive(
        &mut self,
        _: ListMembers,
        _: &Context<Self>,
    ) -> Answer<Result<Vec<MemberReport>, EchoError>> {
        Answer::Now(self.space().map(|space| space.members()))
    }
}

impl Receive<GetTicket> for SpaceActor {
    fn receive(
        &mut self,
        _: GetTicket,
        _: &Context<Self>,
    ) -> Answer<Result<AdmissionTicket, EchoError>> {
        let store = std::sync::Arc::clone(&self.shared.store);
        let space = self.space();
        Answer::Now(space.and_then(|space| space.ticket(&store, &Outcome::default())))
    }
}

impl Receive<ListDevices> for SpaceActor {
    fn receive(
        &mut self,
        _: ListDevices,
        _: &Context<Self>,
    ) -> Answer<Result<OwnDevices, EchoError>> {
        Answer::Now(self.space().map(|space| space.list_devices()))
    }
}

impl Receive<UseDevices> for SpaceActor {
    fn receive(
        &mut self,
        message: UseDevices,
        ctx: &Context<Self>,
    ) -> Answer<Result<(), EchoError>> {
        let now_ms = self.shared.clock.wall_ms();
        if let Ok(space) = self.space() {
            space.use_devices(message.devices, message.at_once);
            self.do_duties(now_ms, ctx);
        }
        Answer::Now(Ok(()))
    }
}

impl Receive<ListDelegated> for SpaceActor {
    fn receive(
        &mut self,
        _: ListDelegated,
        _: &Context<Self>,
    ) -> Answer<Result<Vec<(Delegated, Option<ContentKey>)>, EchoError>> {
        Answer::Now(self.space().map(|space| space.list_delegated()))
    }
}

impl Receive<QueryCredentials> for SpaceActor {
    fn receive(
        &mut self,
        _: QueryCredentials,
        _: &Context<Self>,
    ) -> Answer<Result<Vec<SpaceCredential>, EchoError>> {
        Answer::Now(self.space().map(|space| space.credentials()))
    }
}

impl Receive<SealMessage> for SpaceActor {
    fn receive(
        &mut self,
        message: SealMessage,
        _: &Context<Self>,
    ) -> Answer<Result<bytes::Bytes, EchoError>> {
        let SealMessage { context, plain, .. } = message;
        Answer::Now(
            self.space()
                .and_then(|space| space.seal_message(context, &plain)),
        )
    }
}

impl Receive<OpenMessage> for SpaceActor {
    fn receive(
        &mut self,
        message: OpenMessage,
        _: &Context<Self>,
    ) -> Answer<Result<Option<Vec<u8>>, EchoError>> {
        let OpenMessage {
            context, sealed, ..
        } = message;
        Answer::Now(
            self.space()
                .map(|space| space.open_message(context, &sealed)),
        )
    }
}

impl Receive<FindRecovery> for SpaceActor {
    fn receive(&mut self, message: FindRecovery, _: &Context<Self>) -> Answer<Option<Recovery>> {
        let space = self.space().ok();
        Answer::Now(space.and_then(|space| space.recovery(&message.key)))
    }
}

impl Receive<ListRecoveryKeys> for SpaceActor {
    fn receive(&mut self, _: ListRecoveryKeys, _: &Context<Self>) -> Answer<BTreeSet<DeviceKey>> {
        let space = self.space().ok();
        Answer::Now(space.map(|space| space.recovery_keys()).unwrap_or_default())
    }
}
