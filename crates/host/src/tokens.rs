//! Who may talk to the host: pure; time and randomness are passed in.
//!
//! Only hashes are kept, and compared in constant time: whoever reads the host's memory or file
//! has no token.

use std::collections::VecDeque;

use blake3::Hash;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::limits::{ONE_TIME_LIFE, ONE_TIME_MAX, TOKEN_LIFE, TOKENS_MAX};

/// 32 random bytes.
pub(crate) type Draw = [u8; 32];

/// A token that was made. The text goes to whom it is for and is kept nowhere.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) expires_ms: u64,
}

/// Names a session token without being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenId(Hash);

/// Whom a token lets in.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) id: TokenId,
    /// The session token, where a one-time token was shown.
    pub(crate) fresh: Option<Token>,
    pub(crate) expires_ms: u64,
}

/// Why a token lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Nobody made it, or it has ended.
    Unknown,
    /// It was used before: the session token that it gave is void from now on, in case that
    /// went to somebody else.
    Used(TokenId),
}

#[derive(Debug)]
struct OneTime {
    hash: Hash,
    expires_ms: u64,
    /// What it was exchanged for.
    used: Option<TokenId>,
}

/// A session token that holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Standing {
    #[serde(with = "hex")]
    hash: Hash,
    expires_ms: u64,
}

mod hex {
    use blake3::Hash;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hash.to_hex())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        Hash::from_hex(text).map_err(D::Error::custom)
    }
}

/// All tokens of a host.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    one_time: VecDeque<OneTime>,
    standing: VecDeque<Standing>,
}

fn millis(life: std::time::Duration) -> u64 {
    u64::try_from(life.as_millis()).unwrap_or(u64::MAX)
}

fn hash_of(text: &str) -> Hash {
    blake3::hash(text.as_bytes())
}

impl Tokens {
    pub(crate) fn new(standing: Vec<Standing>, now_ms: u64) -> Self {
        let mut standing: VecDeque<_> = standing
            .into_iter()
            .filter(|token| token.expires_ms > now_ms)
            .collect();
        while standing.len() > TOKENS_MAX {
            standing.pop_front();
        }
        Self {
            one_time: VecDeque::new(),
            standing,
        }
    }

    /// The session tokens that hold, to be stored.
    pub(crate) fn standing(&self) -> impl Iterator<Item = &Standing> {
        self.standing.iter()
    }

    /// Makes a token for one use.
    pub(crate) fn make_one_time(&mut self, now_ms: u64, draw: Draw) -> Token {
        self.forget(now_ms);
        while self.one_time.len() >= ONE_TIME_MAX {
            self.one_time.pop_front();
        }
        let text = BASE64URL_NOPAD.encode(&draw);
        let expires_ms = now_ms.saturating_add(millis(ONE_TIME_LIFE));
        self.one_time.push_back(OneTime {
            hash: hash_of(&text),
            expires_ms,
            used: None,
        });
        Token { text, expires_ms }
    }

    /// Takes a token of either kind.
    pub(crate) fn admit(
        &mut self,
        text: &str,
        now_ms: u64,
        draw: Draw,
    ) -> Result<Admitted, Refused> {
        self.forget(now_ms);
        let hash = hash_of(text);
        // Every one is looked at, and each is compared in constant time.
        let mut found = None;
        for token in &self.standing {
            if token.hash == hash {
                found = Some(token.expires_ms);
            }
        }
        if let Some(expires_ms) = found {
            return Ok(Admitted {
                id: TokenId(hash),
                fresh: None,
                expires_ms,
            });
        }
        let mut shown = None;
        for (place, token) in self.one_time.iter().enumerate() {
            if token.hash == hash {
                shown = Some(place);
            }
        }
        let Some(token) = shown.and_then(|place| self.one_time.get_mut(place)) else {
            return Err(Refused::Unknown);
        };
        if let Some(id) = token.used {
            self.revoke(id);
            return Err(Refused::Used(id));
        }
        let text = BASE64URL_NOPAD.encode(&draw);
        let hash = hash_of(&text);
        token.used = Some(TokenId(hash));
        let expires_ms = now_ms.saturating_add(millis(TOKEN_LIFE));
        while self.standing.len() >= TOKENS_MAX {
            self.standing.pop_front();
        }
        self.standing.push_back(Standing { hash, expires_ms });
        Ok(Admitted {
            id: TokenId(hash),
            fresh: Some(Token { text, expires_ms }),
            expires_ms,
        })
    }

    /// Makes a session token void.
    pub(crate) fn revoke(&mut self, id: TokenId) {
        self.standing.retain(|token| token.hash != id.0);
    }

    /// Makes all tokens void but one.
    pub(crate) fn revoke_others(&mut self, own: TokenId) {
        self.standing.retain(|token| token.hash == own.0);
        self.one_time.clear();
    }

    /// Whether a session token still holds.
    pub(crate) fn holds(&self, id: TokenId) -> bool {
        self.standing.iter().any(|token| token.hash == id.0)
    }

    fn forget(&mut self, now_ms: u64) {
        self.one_time.retain(|token| token.expires_ms > now_ms);
        self.standing.retain(|token| token.expires_ms > now_ms);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_one_time_token_opens_once_and_a_second_use_ends_what_the_first_gave() {
        let mut tokens = Tokens::default();
        let link = tokens.make_one_time(0, [1; 32]);
        let first = tokens.admit(&link.text, 1, [2; 32]).unwrap();
        let session = first.fresh.unwrap();
        assert!(tokens.admit(&session.text, 2, [3; 32]).is_ok());
        let again = tokens.admit(&link.text, 3, [4; 32]).unwrap_err();
        assert_eq!(again, Refused::Used(first.id));
        let void = tokens.admit(&session.text, 4, [5; 32]).unwrap_err();
        assert_eq!(void, Refused::Unknown);
    }

    #[test]
    fn tokens_end_at_their_time() {
        let mut tokens = Tokens::default();
        let link = tokens.make_one_time(0, [1; 32]);
        assert_eq!(link.expires_ms, 600_000);
        let late = tokens.admit(&link.text, link.expires_ms, [2; 32]);
        assert_eq!(late.unwrap_err(), Refused::Unknown);
        let link = tokens.make_one_time(0, [3; 32]);
        let session = tokens.admit(&link.text, 0, [4; 32]).unwrap().fresh.unwrap();
        assert!(
            tokens
                .admit(&session.text, session.expires_ms - 1, [5; 32])
                .is_ok()
        );
        let late = tokens.admit(&session.text, session.expires_ms, [6; 32]);
        assert_eq!(late.unwrap_err(), Refused::Unknown);
    }

    #[test]
    fn what_is_stored_lets_the_same_tokens_in_and_holds_none() {
        let mut tokens = Tokens::default();
        let link = tokens.make_one_time(0, [1; 32]);
        let session = tokens.admit(&link.text, 0, [2; 32]).unwrap().fresh.unwrap();
        let stored: Vec<_> = tokens.standing().cloned().collect();
        let json = serde_json::to_string(&stored).unwrap();
        assert!(!json.contains(&session.text), "{json}");
        let mut again = Tokens::new(serde_json::from_str(&json).unwrap(), 1);
        assert!(again.admit(&session.text, 1, [3; 32]).is_ok());
        // A token for one use does not outlive the host.
        assert!(again.admit(&link.text, 1, [4; 32]).is_err());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Make,
        Show(usize),
        Guess(u8),
        RevokeOthers(usize),
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            Just(Step::Make),
            (0..8_usize).prop_map(Step::Show),
            any::<u8>().prop_map(Step::Guess),
            (0..8_usize).prop_map(Step::RevokeOthers),
            (0..400_000_u64).prop_map(Step::Wait),
        ];
        proptest::collection::vec(step, 0..60)
    }

    proptest! {
        #[test]
        fn nobody_gets_in_but_by_a_token_that_was_made_and_lives(steps in steps()) {
            let mut tokens = Tokens::default();
            let mut now = 0;
            let mut draws = 0_u32;
            let mut draw = || {
                draws += 1;
                let mut draw = [0; 32];
                draw[..4].copy_from_slice(&draws.to_le_bytes());
                draw
            };
            // Text, when it ends, whether it is for one use.
            let mut made: Vec<(String, u64, bool)> = Vec::new();
            let mut shown: Vec<String> = Vec::new();
            for step in steps {
                match step {
                    Step::Make => {
                        let token = tokens.make_one_time(now, draw());
                        made.push((token.text, token.expires_ms, true));
                    }
                    Step::Show(place) => {
                        let Some((text, expires_ms, once)) = made.get(place).cloned() else { continue };
                        if let Ok(admitted) = tokens.admit(&text, now, draw()) {
                            prop_assert!(now < expires_ms);
                            prop_assert!(!once || !shown.contains(&text));
                            prop_assert_eq!(once, admitted.fresh.is_some());
                            if let Some(token) = admitted.fresh {
                                made.push((token.text, token.expires_ms, false));
                            }
                        }
                        shown.push(text);
                    }
                    Step::Guess(byte) => {
                        let guess = BASE64URL_NOPAD.encode(&[byte; 32]);
                        let known = made.iter().any(|(text, ..)| *text == guess);
                        prop_assert!(known || tokens.admit(&guess, now, draw()).is_err());
                    }
                    Step::RevokeOthers(place) => {
                        let Some((text, _, false)) = made.get(place).cloned() else { continue };
                        if let Ok(own) = tokens.admit(&text, now, draw()) {
                            tokens.revoke_others(own.id);
                            for (other, ..) in made.iter().filter(|(other, ..)| *other != text) {
                                prop_assert!(tokens.admit(other, now, draw()).is_err());
                            }
                            prop_assert!(tokens.admit(&text, now, draw()).is_ok());
                        }
                    }
                    Step::Wait(ms) => now += ms,
                }
                prop_assert!(tokens.one_time.len() <= ONE_TIME_MAX);
                prop_assert!(tokens.standing.len() <= TOKENS_MAX);
            }
        }
    }
}
