//! Archives: what they are read from, and what comes back out of them.

use std::sync::Arc;

use dxos_actors::{Answer, Context, Receive};
use dxos_document::Object;
use dxos_protocol::echo::{
    ArchiveRest, ArchivedRun, EchoError, EndRestore, GetManifest, Manifest, ReadBlocks,
    ReadObjects, ReadPart, RestoreSpace,
};

use super::SpaceActor;

impl Receive<GetManifest> for SpaceActor {
    fn receive(
        &mut self,
        _: GetManifest,
        ctx: &Context<Self>,
    ) -> Answer<Result<Manifest, EchoError>> {
        let store = Arc::clone(&self.shared.store);
        let vouched = self.vouch(ctx);
        let manifest = vouched.and_then(|()| self.space()?.manifest(&store));
        Answer::Now(manifest)
    }
}

impl Receive<ReadBlocks> for SpaceActor {
    fn receive(
        &mut self,
        message: ReadBlocks,
        _: &Context<Self>,
    ) -> Answer<Result<(Vec<ArchivedRun>, ArchiveRest), EchoError>> {
        let ReadBlocks {
            rest, bytes_max, ..
        } = message;
        let store = Arc::clone(&self.shared.store);
        let space = self.space();
        Answer::Now(space.and_then(|space| space.read_blocks(rest, bytes_max, &store)))
    }
}

impl Receive<ReadObjects> for SpaceActor {
    fn receive(
        &mut self,
        message: ReadObjects,
        _: &Context<Self>,
    ) -> Answer<Result<Vec<Object>, EchoError>> {
        let ReadObjects { after, limit, .. } = message;
        let store = Arc::clone(&self.shared.store);
        let space = self.space();
        Answer::Now(space.and_then(|space| space.read_objects(after, limit, &store)))
    }
}

impl Receive<ReadPart> for SpaceActor {
    fn receive(
        &mut self,
        message: ReadPart,
        _: &Context<Self>,
    ) -> Answer<Result<Option<bytes::Bytes>, EchoError>> {
        let store = Arc::clone(&self.shared.store);
        let space = self.space();
        Answer::Now(space.and_then(|space| space.read_part(&message.part, &store)))
    }
}

impl Receive<EndRestore> for SpaceActor {
    fn receive(&mut self, _: EndRestore, ctx: &Context<Self>) -> Answer<Result<(), EchoError>> {
        Answer::Now(self.step(ctx, |space, _, _| Ok(((), space.end_restore()))))
    }
}

impl Receive<RestoreSpace> for SpaceActor {
    fn receive(
        &mut self,
        message: RestoreSpace,
        ctx: &Context<Self>,
    ) -> Answer<Result<(), EchoError>> {
        // A proof in it may cut a feed of this device.
        let result = self.vouch(ctx).and_then(|()| {
            self.step(ctx, |space, now_ms, (store, rng)| {
                space.restore_blocks(message.blocks, now_ms, (store, rng))
            })
        });
        Answer::Now(result.flatten())
    }
}
