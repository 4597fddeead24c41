//! The words of a text, and in which form they are compared.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Bytes of a word that count: what differs only behind them is the same word.
pub const TERM_BYTES_MAX: usize = 64;
/// Characters of a word that are looked at: even a form with many accents has its bytes in them.
const CHARACTERS_MAX: usize = 4 * TERM_BYTES_MAX;

/// The words of a text, each with the byte at which it begins.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.unicode_word_indices()
}

/// The form in which a word is compared; perhaps empty.
pub(super) fn term(word: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if word.len() <= TERM_BYTES_MAX && word.bytes().all(is_plain) {
        return Cow::Borrowed(word);
    }
    let characters = word.chars().take(CHARACTERS_MAX).nfkd();
    // Upper case between: it writes out what lower case keeps apart, such as ß and two sigmas.
    let lower = characters.flat_map(char::to_lowercase);
    let folded = (lower.flat_map(char::to_uppercase)).flat_map(char::to_lowercase);
    let mut out = String::with_capacity(word.len().min(TERM_BYTES_MAX));
    for character in folded.nfkd().filter_map(plain) {
        if out.len() + character.len_utf8() > TERM_BYTES_MAX {
            break;
        }
        out.push(character);
    }
    Cow::Owned(out)
}

/// A character without what does not count.
const fn plain(character: char) -> Option<char> {
    match character {
        // Accents of Latin, Greek and Cyrillic, points of Hebrew and Arabic; not the vowels of
        // other scripts, which are marks too.
        '\u{300}'..='\u{36f}'
        | '\u{483}'..='\u{487}'
        | '\u{591}'..='\u{5bd}'
        | '\u{5bf}'
        | '\u{5c1}'
        | '\u{5c2}'
        | '\u{5c4}'
        | '\u{5c5}'
        | '\u{5c7}'
        | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}'
        | '\u{670}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}'
        // What joins or parts characters and does not show.
        | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => None,
        '\u{2019}' => Some('\''),
        'ø' => Some('o'),
        'đ' => Some('d'),
        'ħ' => Some('h'),
        'ł' => Some('l'),
        'ŧ' => Some('t'),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn same(one: &str, two: &str) {
        assert_eq!(term(one), term(two), "{one} and {two}");
    }

    #[test]
    fn case_accents_and_compatible_forms_make_no_other_word() {
        same("Straße", "STRASSE");
        same("STRAẞE", "strasse");
        same("ΟΔΟΣ", "οδός");
        same("İstanbul", "istanbul");
        same("Ångström", "angstrom");
        same("Łódź", "lodz");
        same("ﬁsh", "fish");
        same("don’t", "don't");
        same("e\u{301}t\u{e9}", "ete");
        same("co\u{ad}operate", "cooperate");
        same("עִבְרִית", "עברית");
        assert_ne!(term("कि"), term("का"));
    }

    #[test]
    fn what_is_written_without_spaces_is_cut_into_characters() {
        let words = |text| tokens(text).map(|(_, word)| word).collect::<Vec<_>>();
        assert_eq!(words("東京に"), ["東", "京", "に"]);
        assert_eq!(words("a-b c.d"), ["a", "b", "c.d"]);
        assert!(words("ภาษาไทย").len() > 1);
        assert!(words("…!?").is_empty());
    }

    proptest! {
        #[test]
        fn a_term_is_short_and_stays_as_it_is(word in "\\PC{0,80}") {
            let once = term(&word).into_owned();
            prop_assert!(once.len() <= TERM_BYTES_MAX);
            prop_assert_eq!(term(&once).into_owned(), once.clone());
        }
    }
}
