use dxos_keys::SpaceKey;

use super::device;
use crate::{Assertion, Credential, CredentialError, Profile, Seen, check_display_name};

#[test]
fn names_of_all_kinds_of_people_are_fine() {
    let long = "ю".repeat(128);
    for name in [
        "Ann",
        "Анна Ёлкина",
        "李小龍",
        "محمد",
        "שרה",
        "O'Brien-Smith",
        "👩‍👩‍👧 family",
        "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
        "  x  ",
        "می‌خواهم",
        long.as_str(),
    ] {
        assert_eq!(check_display_name(name), Ok(()), "{name}");
    }
}

#[test]
fn names_that_deceive_are_refused() {
    let long = "a".repeat(257);
    for name in [
        "",
        "   ",
        "\u{200b}",
        "\u{feff} \u{200d}",
        "\u{3164}",
        "a\nb",
        "a\tb",
        "\0",
        "a\u{7f}",
        "a\u{85}",
        "\u{202e}nnA",
        "A\u{2066}n\u{2069}",
        "a\u{202a}",
        "a\u{2028}b",
        "a\u{2029}b",
        "\u{1b}[31mred",
        long.as_str(),
    ] {
        assert!(
            matches!(
                check_display_name(name),
                Err(CredentialError::DisplayName(_))
            ),
            "{name:?}",
        );
    }
}

#[test]
fn credentials_with_such_names_are_refused_though_signed() {
    let space = SpaceKey::from_bytes([1; 32]);
    let named = |name: &str| {
        let name = name.to_owned();
        let identity = super::chain(1).device().identity;
        [
            Assertion::MemberProfile {
                space,
                profile: Profile::named(name.clone()),
            },
            Assertion::DeviceProfile {
                device: device(1).device(),
                name: name.clone(),
            },
            Assertion::SpaceMember {
                space,
                identity,
                role: crate::Role::Reader,
                profile: Profile::named(name),
                chain: None,
                invitation: None,
                seen: Seen::new(),
            },
        ]
    };
    for (name, fine) in [
        ("Ann", true),
        ("A\u{202e}n", false),
        (&*"a".repeat(257), false),
    ] {
        for assertion in named(name) {
            let signed = Credential::by_device(&device(1), assertion);
            let read = Credential::decode(&signed.encode());
            assert_eq!(read.is_ok(), fine);
            assert_eq!(signed.is_readable(), fine);
            assert!(fine || matches!(read, Err(CredentialError::DisplayName(_))));
        }
    }
}
