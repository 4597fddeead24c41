//! References whose targets are gone.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use dxos_document::Dangling;
use dxos_keys::ObjectId;
use dxos_protocol::echo::EchoError;
use dxos_store::Read;

use super::space::{Space, is_visible};

impl Space {
    /// The references of all objects that show whose targets in this space do not: they were
    /// deleted, are below something deleted, or have not arrived.
    pub(crate) fn dangling(&self, store: &dyn Read) -> Result<Vec<Dangling>, EchoError> {
        let tree = self.tree(store)?;
        let space = self.key();
        let mut known: BTreeMap<ObjectId, bool> = BTreeMap::new();
        let mut exists = |object: ObjectId| {
            if let Some(known) = known.get(&object) {
                return Ok(*known);
            }
            let visible = self.with_state(&object, store, is_visible)?;
            let exists = visible.unwrap_or_default() && !tree.is_hidden(object);
            known.insert(object, exists);
            Ok::<_, EchoError>(exists)
        };
        let mut found = Ok(Vec::new());
        self.visit_states(store, &mut |id, state| {
            if !is_visible(&state) || tree.is_hidden(id) {
                return ControlFlow::Continue(());
            }
            let Some(mut object) = state.object(id) else {
                return ControlFlow::Continue(());
            };
            tree.tell(&mut object);
            match (&mut found, object.dangling(&space, &mut exists)) {
                (Ok(found), Ok(mut dangling)) => found.append(&mut dangling),
                (found, Err(error)) => {
                    *found = Err(error);
                    return ControlFlow::Break(());
                }
                (Err(_), Ok(_)) => {}
            }
            ControlFlow::Continue(())
        })?;
        found
    }
}
