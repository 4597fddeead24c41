use proptest::prelude::*;
use rand_core::SeedableRng;

use super::*;

/// From the test vectors of BIP-39.
const VECTORS: [([u8; 32], &str); 3] = [
    (
        [0; 32],
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
         abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
         abandon art",
    ),
    (
        [0x7f; 32],
        "legal winner thank year wave sausage worth useful legal winner thank year wave sausage \
         worth useful legal winner thank year wave sausage worth title",
    ),
    (
        [0xff; 32],
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo \
         zoo vote",
    ),
];

fn phrase(byte: u8) -> RecoveryPhrase {
    RecoveryPhrase([byte; 32])
}

fn unknown(number: usize, nearest: Option<&'static str>) -> Result<RecoveryPhrase, PhraseError> {
    Err(PhraseError::UnknownWord { number, nearest })
}

#[test]
fn it_is_bip_39() {
    for (entropy, words) in VECTORS {
        let phrase = RecoveryPhrase(entropy);
        assert_eq!(*phrase.reveal(), words);
        assert_eq!(RecoveryPhrase::parse(words), Ok(phrase));
    }
}

#[test]
fn a_phrase_stands_for_the_same_keys_for_ever() {
    let RecoveryKeys { device, sealing } = phrase(0x7f).keys();
    assert_eq!(
        device.device().to_string(),
        "cox5dnu1azsgx4rwx5wn1u8c4mj9gtudt9bdq1qwa85e63j3puto"
    );
    let sealing = crate::text::encode(sealing.sealing_key().as_bytes());
    assert_eq!(
        sealing,
        "aer4w7zn7ku5s3h6zna6de6tgm78qa5mptuzmdnuwh4zppc7cppo"
    );
}

#[test]
fn different_phrases_and_purposes_have_different_keys() {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    let (one, two) = (
        RecoveryPhrase::generate(&mut rng),
        RecoveryPhrase::generate(&mut rng),
    );
    assert_ne!(one, two);
    let (one, two) = (one.keys(), two.keys());
    assert_ne!(one.device, two.device);
    assert_ne!(one.sealing, two.sealing);
    assert_ne!(&*one.device.to_seed(), one.sealing.expose());
}

#[test]
fn a_slip_of_the_pen_is_named() {
    let (_, good) = VECTORS[1];
    for (wrong, number, nearest) in [
        // Cut after four letters, two letters exchanged, one missing, one too many, another.
        ("saus", 6, Some("sausage")),
        ("sasuage", 6, Some("sausage")),
        ("sausge", 6, Some("sausage")),
        ("saussage", 6, Some("sausage")),
        ("sausaqe", 6, Some("sausage")),
        ("сосиска", 6, None),
        ("qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", 6, None),
    ] {
        let text = good.replacen("sausage", wrong, 1);
        assert_eq!(RecoveryPhrase::parse(&text), unknown(number, nearest));
    }
    let text = good.replacen("legal", "legl", 1);
    let said = RecoveryPhrase::parse(&text).unwrap_err().to_string();
    assert!(said.contains("word 1 ") && said.contains("legal"), "{said}");
}

#[test]
fn a_wrong_count_is_named() {
    let (_, good) = VECTORS[1];
    let short = good.rsplit_once(' ').unwrap().0;
    for (text, found) in [("", 0), ("legal", 1), (short, 23)] {
        assert_eq!(
            RecoveryPhrase::parse(text),
            Err(PhraseError::Count { found })
        );
    }
    let long = format!("{good} zoo");
    assert_eq!(
        RecoveryPhrase::parse(&long),
        Err(PhraseError::Count { found: 25 })
    );
    // A good phrase of twelve words is one of another program.
    let twelve = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    assert_eq!(
        RecoveryPhrase::parse(twelve),
        Err(PhraseError::Count { found: 12 })
    );
}

#[test]
fn words_in_another_order_are_refused() {
    let (_, good) = VECTORS[1];
    let text = good.replacen("legal winner", "winner legal", 1);
    assert_eq!(RecoveryPhrase::parse(&text), Err(PhraseError::Checksum));
}

#[test]
fn a_text_that_is_far_too_long_is_not_looked_at() {
    let found = TEXT_BYTES_MAX + 1;
    let refused = RecoveryPhrase::parse(&"z".repeat(found));
    assert_eq!(refused, Err(PhraseError::TooLong { found }));
}

#[test]
fn it_never_prints() {
    assert_eq!(format!("{:?}", phrase(1)), "RecoveryPhrase(..)");
    let keys = format!("{:?}", phrase(1).keys());
    assert!(!keys.contains('['), "{keys}");
    assert!(keys.contains("DeviceSecret(..)"), "{keys}");
}

proptest! {
    #[test]
    fn every_phrase_is_read_back_in_any_case_and_white_space(
        entropy in any::<[u8; 32]>(),
        style in prop::collection::vec((0..3_u8, 0..6_usize), 24),
    ) {
        let phrase = RecoveryPhrase(entropy);
        let words = phrase.reveal();
        let spaces = [" ", "\n", "\t", "\u{a0}", "\r\n  ", "\u{3000}"];
        let mut typed = String::from("  ");
        for (word, (case, space)) in words.split(' ').zip(style) {
            match case {
                0 => typed.push_str(word),
                1 => typed.push_str(&word.to_uppercase()),
                // Full-width letters, as an input method may give: NFKD makes them plain.
                _ => typed.extend(word.chars().map(|c| {
                    char::from_u32(u32::from(c) - u32::from('a') + 0xff41).unwrap()
                })),
            }
            typed.push_str(spaces[space]);
        }
        prop_assert_eq!(RecoveryPhrase::parse(&typed), Ok(phrase));
    }

    #[test]
    fn a_wrong_word_never_gives_the_same_phrase(
        entropy in any::<[u8; 32]>(),
        at in 0..24_usize,
        other in 0..2048_usize,
    ) {
        let phrase = RecoveryPhrase(entropy);
        let revealed = phrase.reveal();
        let mut words: Vec<_> = revealed.split(' ').collect();
        let other = Language::English.word_list()[other];
        prop_assume!(words[at] != other);
        words[at] = other;
        match RecoveryPhrase::parse(&words.join(" ")) {
            // 8 bits of checksum let one in 256 pass.
            Ok(parsed) => prop_assert_ne!(parsed.keys(), phrase.keys()),
            Err(error) => prop_assert_eq!(error, PhraseError::Checksum),
        }
    }

    #[test]
    fn rubbish_is_an_error(text in "(\\PC{0,12}[ \n]){0,40}") {
        prop_assert!(RecoveryPhrase::parse(&text).is_err());
    }
}
