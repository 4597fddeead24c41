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
    let decoded = Block::decode(&second.encode(), &FeedLimits::default());
    assert_eq!(decoded.as_ref(), Ok(&second));

    let header = second.header(all[1].feed, 0, GENESIS);
    assert_eq!(hex(&header.hash()), SECOND_HEADER_HASH);
    let hash = header.block_hash(&second.signature);
    assert_eq!(hex(hash.as_bytes()), SECOND_BLOCK_HASH);
    assert_eq!(hash, replica.dag.feed(&all[1].feed).unwrap().head);
    assert_eq!(
        hex(header.sealing_context().as_bytes()),
        SECOND_SEALING_CONTEXT
    );

    let sent = replica.all(&all[0]);
    assert_eq!(hex(&postcard::to_stdvec(&sent).unwrap()), RUN);
    let earlier: Vec<_> = EARLIER_RUN.as_bytes().chunks(2).collect();
    let earlier = earlier.iter().map(|digits| {
        let digits = std::str::from_utf8(digits).unwrap();
        u8::from_str_radix(digits, 16).unwrap()
    });
    let earlier: Vec<u8> = earlier.collect();
    assert_eq!(postcard::from_bytes(&earlier), Ok(sent));
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
const FIRST_BLOCK: &str = "01010000000000000005000000000000000000e9dcdc447501ea0f983f41f933\
     d9f22106aa373bc2c64ee778d03a1f625fb648f2e6a9dac029e2b129c9ea48fb\
     55255347e62d6f26210bfc02ff21b253fd990c6669727374";
/// The first block of the second feed, which names the other one.
const SECOND_BLOCK: &str = "01020000000000000005000000000000000100659825d478f3a476d580c9a312\
     ed03ace435217b6596cbed95dbadac01f885460000000000000000928cef28e9\
     7e5713c33a4ddce06a66bbb52504a448ab94f1730876d68dcc3ce11938fd0b8c\
     b7f98087c6e934a2d24ae60b80daa9709e15889a3d3b8351b4eea908f5a83a8c\
     c01ccc1127db8c3bc384f760b5b9346dadecc35c0a080a91900c037365636f6e\
     64";
/// What the device signed.
const SECOND_HEADER_HASH: &str = "e0ac4b9e6c854cb44670927d96d1af112f650bceaf8ff5eef24e08d18cc8a25c";
const SECOND_BLOCK_HASH: &str = "a5e7dcdb24a7636d902ed191d395cd092a087e715f7ef877527e3fd7cfdb1b78";
const SECOND_SEALING_CONTEXT: &str =
    "cdc834066f2ca494c1ff5029e84c025b8209e9244d228d8b52f139f2da762a8a";
/// The first feed as a run in postcard.
const RUN: &str = "659825d478f3a476d580c9a312ed03ace435217b6596cbed95dbadac01f88546\
     004e00000000010a00e9dcdc447501ea0f983f41f933d9f22106aa373bc2c64e\
     e778d03a1f625fb648f2e6a9dac029e2b129c9ea48fb55255347e62d6f26210b\
     fc02ff21b253fd990c00056669727374";
/// The same as programs wrote it before what repeats was left out.
const EARLIER_RUN: &str = "659825d478f3a476d580c9a312ed03ace435217b6596cbed95dbadac01f88546\
     005c5800000001010000000000000005000000000000000000e9dcdc447501ea\
     0f983f41f933d9f22106aa373bc2c64ee778d03a1f625fb648f2e6a9dac029e2\
     b129c9ea48fb55255347e62d6f26210bfc02ff21b253fd990c6669727374";
/// Two first blocks of the first feed, in postcard.
const FORK_PROOF: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c\
     0707070707070707070707070707070707070707070707070707070707070707\
     0100659825d478f3a476d580c9a312ed03ace435217b6596cbed95dbadac01f8\
     8546000000000000000000000000000000000000000000000000000000000000\
     000000010000367a81f3a7271af729307ce1b904b714fdd0f5835900777bed42\
     16e282cd3dd005b96561df1437ed624f02c75dbdc897f783e1abe8191a8036ed\
     1ae36543f3deadb31a862e22fe5cc5014fdcc13aa16a2b8e92ff478168121f36\
     ab25f9c30a780900659825d478f3a476d580c9a312ed03ace435217b6596cbed\
     95dbadac01f88546000000000000000000000000000000000000000000000000\
     000000000000000000010500ff183bc9e64598fcc42dae219fb71b1499c15121\
     fad635943c8a0d80c71d7ed305e9dcdc447501ea0f983f41f933d9f22106aa37\
     3bc2c64ee778d03a1f625fb648f2e6a9dac029e2b129c9ea48fb55255347e62d\
     6f26210bfc02ff21b253fd990c00";
