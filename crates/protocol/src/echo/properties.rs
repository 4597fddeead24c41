//! Where a space keeps its properties.

use dxos_keys::{HashDomain, Hasher, ObjectId, SpaceKey};

/// The type of the object that holds a space's properties.
pub const PROPERTIES_TYPE: &str = "dxos.org/type/Properties";

/// The object that holds a space's properties: the same for every member.
pub fn properties_object(space: &SpaceKey) -> ObjectId {
    let hash = Hasher::new(HashDomain::Topic)
        .part(space.as_bytes())
        .part(b"p")
        .finish();
    let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = hash;
    ObjectId::from_bytes(id)
}
