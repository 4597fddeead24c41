//! Ephemeral messages, sealed with the content key of the space: whoever carries them for others
//! cannot read them.

use bytes::{BufMut, Bytes, BytesMut};
use dxos_credentials::Right;
use dxos_keys::ContentKeyId;
use dxos_protocol::echo::{EchoError, MessageContext};

use super::space::Space;

impl Space {
    /// Seals a message behind the name of its key. Whoever may read the space may send.
    pub(crate) fn seal_message(
        &self,
        context: MessageContext,
        plain: &[u8],
    ) -> Result<Bytes, EchoError> {
        self.permit(Right::Read, "send messages")?;
        let id = self.membership.content_key();
        let Some(key) = id.and_then(|id| self.keys.get(&id)) else {
            return Err(EchoError::NoContentKey { space: self.key() });
        };
        let sealed = key.seal(&self.associated(context), plain);
        let mut bytes = BytesMut::with_capacity(ContentKeyId::LENGTH + sealed.len());
        bytes.put_slice(key.id().as_bytes());
        bytes.put_slice(&sealed);
        Ok(bytes.freeze())
    }

    /// Opens one, if it was sealed with a key that is here.
    pub(crate) fn open_message(&self, context: MessageContext, sealed: &[u8]) -> Option<Vec<u8>> {
        let (id, sealed) = sealed.split_at_checked(ContentKeyId::LENGTH)?;
        let key = self.keys.get(&ContentKeyId::from_slice(id)?)?;
        key.open(&self.associated(context), sealed).ok()
    }

    /// What binds a message to its place. No block is bound to the like.
    fn associated(&self, context: MessageContext) -> Vec<u8> {
        let (space, seq) = (self.key(), context.seq.to_le_bytes());
        let parts: [&[u8]; 4] = [
            b"dxos-rs v1 message\0",
            space.as_bytes(),
            context.device.as_bytes(),
            &seq,
        ];
        parts.concat()
    }
}
