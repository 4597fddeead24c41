//! Between positions in Unicode scalar values and other units.

/// The position of a place that is given in units; one within a character means its beginning.
pub(crate) fn from_units<'a>(
    pieces: impl Iterator<Item = (&'a str, usize)>,
    mut units: usize,
    size: impl Fn(char) -> usize,
) -> usize {
    let mut position = 0;
    for (text, characters) in pieces {
        if text.len() == characters && units >= text.len() {
            // Nothing but ASCII: a unit each, in both encodings.
            units -= characters;
            position += characters;
            continue;
        }
        for character in text.chars() {
            let size = size(character);
            if units < size {
                return position;
            }
            units -= size;
            position += 1;
        }
    }
    position
}

/// The place in units of a position.
pub(crate) fn to_units<'a>(
    pieces: impl Iterator<Item = (&'a str, usize)>,
    mut position: usize,
    size: impl Fn(char) -> usize,
) -> usize {
    let mut units = 0;
    for (text, characters) in pieces {
        if text.len() == characters {
            let part = characters.min(position);
            units += part;
            position -= part;
        } else if position >= characters {
            units += text.chars().map(&size).sum::<usize>();
            position -= characters;
        } else {
            units += text.chars().take(position).map(&size).sum::<usize>();
            position = 0;
        }
        if position == 0 {
            break;
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn positions_survive_both_units(pieces in proptest::collection::vec("[a-zäß€😀𝄞\r\n]{0,6}", 0..6)) {
            let text = pieces.concat();
            let pieces = || pieces.iter().map(|piece| (piece.as_str(), piece.chars().count()));
            for (position, (byte, _)) in text.char_indices().enumerate() {
                prop_assert_eq!(to_units(pieces(), position, char::len_utf8), byte);
                prop_assert_eq!(from_units(pieces(), byte, char::len_utf8), position);
                let utf16 = text[..byte].encode_utf16().count();
                prop_assert_eq!(to_units(pieces(), position, char::len_utf16), utf16);
                prop_assert_eq!(from_units(pieces(), utf16, char::len_utf16), position);
            }
            let len = text.chars().count();
            prop_assert_eq!(from_units(pieces(), usize::MAX, char::len_utf16), len);
        }
    }
}
