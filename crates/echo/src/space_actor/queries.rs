//! Queries, and the indexes that serve them.

use std::sync::Arc;
use std::time::Duration;

use dxos_actors::{Answer, Context, Receive};
use dxos_document::{Group, Object};
use dxos_protocol::echo::{
    CountQuery, EchoError, ExplainQuery, Explanation, FindDangling, FindIds, FoundIds, GroupQuery,
    IndexReport, ListIndexes, LiveQuery, ReadFound, RunQuery, Subscribe,
};

use super::SpaceActor;

/// How long a space does what else there is to do between two parts of an index.
const PAUSE: Duration = Duration::from_millis(1);
/// How long what is typed may go on before its words are put into the indexes.
const REST: Duration = Duration::from_secs(1);

impl SpaceActor {
    /// Does a part of what is to be done for indexes soon, if there is something.
    pub(super) fn index_later(&mut self, ctx: &Context<Self>) {
        let has_work = (self.space.as_ref()).is_ok_and(|space| space.has_index_work());
        if self.indexing || !has_work {
            return;
        }
        let is_urgent = (self.space.as_ref()).is_ok_and(|space| space.has_urgent_index_work());
        self.indexing = true;
        let pause = if is_urgent { PAUSE } else { REST };
        drop(ctx.run_later(pause, |actor, ctx| {
            actor.indexing = false;
            if actor.space.is_err() {
                return;
            }
            if let Err(error) = actor.index(ctx) {
                if actor.told.is_new(&error) {
                    tracing::warn!(%error, "an index is not built yet");
                }
                return;
            }
            actor.index_later(ctx);
        }));
    }

    fn index(&mut self, ctx: &Context<Self>) -> Result<(), EchoError> {
        let store = Arc::clone(&self.shared.store);
        let space = self.space.as_deref_mut().map_err(|error| error.clone())?;
        let written = match space.build_indexes(&store) {
            Ok(batch) => self.write(batch, false),
            Err(error) => Err(error),
        };
        written.map_err(|error| self.begin_again(&error, ctx))
    }
}

impl Receive<FindDangling> for SpaceActor {
    fn receive(
        &mut self,
        _: FindDangling,
        _: &Context<Self>,
    ) -> Answer<Result<Vec<dxos_document::Dangling>, EchoError>> {
        let store = Arc::clone(&self.shared.store);
        Answer::Now(self.space().and_then(|space| space.dangling(&store)))
    }
}

impl Receive<RunQuery> for SpaceActor {
    fn receive(
        &mut self,
        message: RunQuery,
        _: &Context<Self>,
    ) -> Answer<Result<Vec<Object>, EchoError>> {
        let store = Arc::clone(&self.shared.store);
        Answer::Now(
            self.space()
                .and_then(|space| space.query(&message.query, &store)),
        )
    }
}

impl Receive<FindIds> for SpaceActor {
    fn receive(
        &mut self,
        message: FindIds,
        _: &Context<Self>,
    ) -> Answer<Result<Option<FoundIds>, EchoError>> {
        let store = Arc::clone(&self.shared.store);
        Answer::Now(
            self.space()
                .and_then(|space| space.find_ids(&message.query, &store)),
        )
    }
}

impl Receive<ReadFound> for SpaceActor {
    fn receive(
        &mut self,
        message: ReadFound,
        _: &Context<Self>,
    ) -> Answer<Result<Vec<Object>, EchoError>> {
        let store = Arc::clone(&self.shared.store);
        Answer::Now(
            self.space()
                .and_then(|space| space.read_found(&message.query, &message.objects, &store)),
        )
    }
}

impl Receive<Subscribe> for SpaceActor {
    fn receive(
        &mut self,
        message: Subscribe,
        _: &Context<Self>,
    ) -> Answer<Result<LiveQuery, EchoError>> {
        let store = Arc::clone(&self.shared.store);
        Answer::Now(
            self.space()
                .and_then(|space| space.subscribe(message.query, &store)),
        )
    }
}

impl Receive<ExplainQuery> for SpaceActor {
    fn receive(
        &mut self,
        message: ExplainQuery,
        _: &Context<Self>,
    ) -> Answer<Result<Explanation, EchoError>> {
        let store = Arc::clone(&self.shared.store);
        Answer::Now(
            self.space()
                .and_then(|space| space.explain(&message.query, &store)),
        )
    }
}

impl Receive<CountQuery> for SpaceActor {
    fn receive(
        &mut self,
        message: CountQuery,
        _: &Context<Self>,
    ) -> Answer<Result<u64, EchoError>> {
        let store = Arc::clone(&self.shared.store);
        Answer::Now(
            self.space()
                .and_then(|space| space.count(&message.query, &store)),
        )
    }
}

impl Receive<GroupQuery> for SpaceActor {
    fn receive(
        &mut self,
        message: GroupQuery,
        _: &Context<Self>,
    ) -> Answer<Result<Vec<Group>, EchoError>> {
        let store = Arc::clone(&self.shared.store);
        Answer::Now(
            self.space()
                .and_then(|space| space.group_count(&message.query, &message.path, &store)),
        )
    }
}

impl Receive<ListIndexes> for SpaceActor {
    fn receive(
        &mut self,
        _: ListIndexes,
        _: &Context<Self>,
    ) -> Answer<Result<Vec<IndexReport>, EchoError>> {
        Answer::Now(self.space().map(|space| space.index_reports()))
    }
}
