//! Bytes that must never change: they are in everyone's stores, and signed.

use super::support::*;
use crate::block::GENESIS;
use crate::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_format_is_what_it_was() {
    let all = writers(2);
    assert_eq!(hex(all[0].feed.as_bytes()), FEED);
    assert_eq!(hex(all[1].feed.as_bytes()), SECOND_FEED);

    let mut replica = Replica::new(&all);
    let first = replica.append(&all[0], b"first");
    assert_eq!(hex(&first.encode()), FIRST_BLOCK);
    let second = replica.append(&all[1], b"second");
    assert_eq!(hex(&second.encode()), SECOND_BLOCK);
    let unsigned = Block {
        signature: None,
        ..first.clone()
    };
    assert_eq!(hex(&unsigned.encode()), UNSIGNED_BLOCK);
    let decoded = Block::decode(&second.encode(), &FeedLimits::default());
    assert_eq!(decoded.as_ref(), Ok(&second));

    let header = second.header(all[1].feed, 0, GENESIS);
    let hash = header.hash();
    assert_eq!(hex(hash.as_bytes()), SECOND_BLOCK_HASH);
    assert_eq!(hash, replica.dag.feed(&all[1].feed).unwrap().head);
    assert_eq!(
        hex(header.sealing_context().as_bytes()),
        SECOND_SEALING_CONTEXT
    );

    let sent = replica.all(&all[0]);
    assert_eq!(hex(&postcard::to_stdvec(&sent).unwrap()), RUN);
    assert_eq!(
        postcard::from_bytes(&postcard::to_stdvec(&sent).unwrap()),
        Ok(sent)
    );
    let (other, _) = all[0].chain(&START, &[b"other"], |_| true);
    let Err(InsertError::Fork(proof)) = replica.insert(run(&all[0], 0, &other)) else {
        panic!("a fork")
    };
    assert_eq!(hex(&postcard::to_stdvec(&proof).unwrap()), FORK_PROOF);
}

/// The id of the feed of device seed 01…01, space 07…07, data, incarnation 0.
const FEED: &str = "659825d478f3a476d580c9a312ed03ace435217b6596cbed95dbadac01f88546";
/// The same with device seed 02…02.
const SECOND_FEED: &str = "7deb370b42c170c1c4f36a00aebfdf69f683fef1cb2419e111336f0e4d4ae6f0";
/// The first block of the first feed, body "first", time 5.
const FIRST_BLOCK: &str = "030100000000000000050000000000000000002f2b2bc2b51cdab1a70b2f\
     3c413b24d8001218b2ff868be4044857d6e4d241f3e23576a1d14b4755ae926e\
     4d20fbc9c7a645141c104c11994920d121df21d00e6669727374";
/// The same without its signature.
const UNSIGNED_BLOCK: &str = "020100000000000000050000000000000000006669727374";
/// The first block of the second feed, which names the other one.
const SECOND_BLOCK: &str = "03020000000000000005000000000000000100659825d478f3a476d580c9\
     a312ed03ace435217b6596cbed95dbadac01f88546000000000000000024d11d\
     72ab913cbf91fe0ae333c6084d318ccae33dca42b377f3cc97d514c41f1955b5\
     8ad34f3df49420d20bacf249493c746608c851ba86017ac3204c5ca83b4f15f6\
     5da3a9afd07812644a1c3240d3eca93e0e77b474d044d9a08ab343d806736563\
     6f6e64";
/// What the device signed.
const SECOND_BLOCK_HASH: &str = "2a442b692043926c5f8ad56e114f056fd3fa454e3905407dc5318324d8da4494";
const SECOND_SEALING_CONTEXT: &str =
    "b08bc5919669b126588466df150bc760004b59454ebd64f08889378424985efe";
/// The first feed as a run in postcard.
const RUN: &str = "659825d478f3a476d580c9a312ed03ace435217b6596cbed95dbadac01f8\
     8546004a010a012f2b2bc2b51cdab1a70b2f3c413b24d8001218b2ff868be404\
     4857d6e4d241f3e23576a1d14b4755ae926e4d20fbc9c7a645141c104c119949\
     20d121df21d00e00056669727374";
/// Two first blocks of the first feed, in postcard.
const FORK_PROOF: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f\
     6f5c070707070707070707070707070707070707070707070707070707070707\
     07070100659825d478f3a476d580c9a312ed03ace435217b6596cbed95dbadac\
     01f8854600000000000000000000000000000000000000000000000000000000\
     0000000000010500ff183bc9e64598fcc42dae219fb71b1499c15121fad63594\
     3c8a0d80c71d7ed305002f2b2bc2b51cdab1a70b2f3c413b24d8001218b2ff86\
     8be4044857d6e4d241f3e23576a1d14b4755ae926e4d20fbc9c7a645141c104c\
     11994920d121df21d00e659825d478f3a476d580c9a312ed03ace435217b6596\
     cbed95dbadac01f8854600000000000000000000000000000000000000000000\
     0000000000000000000000010000367a81f3a7271af729307ce1b904b714fdd0\
     f5835900777bed4216e282cd3dd00500e04fcde593aa68b4798c8a5171ff5d81\
     85c1397650e54037200959d0336c1d658d3de1ed74507f75161316e36114d751\
     c321bfe33a14a2624fd6ad20a5506005";
