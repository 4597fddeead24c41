//! The suite of every store, on fjall.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use dxos_store::{Store, StoreError, conformance};
use dxos_store_fjall::{FjallOptions, FjallStore};
use proptest::prelude::*;

fn fresh() -> impl conformance::Opener {
    let home = tempfile::tempdir().unwrap();
    move || -> Result<Box<dyn Store>, StoreError> {
        let options = FjallOptions {
            journal_bytes: 1 << 20,
            ..FjallOptions::default()
        };
        Ok(Box::new(FjallStore::open(
            home.path().join("store"),
            options,
        )?))
    }
}

#[test]
fn conforms() {
    conformance::all(fresh);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn behaves_as_a_map(bytes in prop::collection::vec(any::<u8>(), 0..800)) {
        conformance::model(&fresh(), &conformance::ops(&bytes));
    }
}
