//! What an admin can write so that others have as much to work out as possible.

use anyhow::Result;
use dxos_credentials::{Assertion, Role};
use dxos_keys::InvitationId;

use super::history::{Device, History};

/// Histories of about so many blocks, with what they are.
pub(super) fn histories(blocks: usize) -> Result<[(&'static str, History); 3]> {
    Ok([
        ("removals that cancel acts", removals(blocks)?),
        ("invitations used twice", invitations(blocks)?),
        ("concurrent roles of one member", roles(blocks)?),
    ])
}

/// Puppets who each admitted somebody, and are removed in ignorance of that.
fn removals(blocks: usize) -> Result<History> {
    let (mut history, admin) = History::create()?;
    let mut puppets = Vec::new();
    for _ in 0..blocks / 4 {
        let puppet = history.identity();
        let admission = history.admission(&puppet, Role::Admin, true);
        history.say(&admin, admission)?;
        let shown = history.shown(&puppet);
        history.say(&puppet, shown)?;
        puppets.push(puppet);
    }
    let known = history.everything();
    for puppet in &puppets {
        let guest = history.identity();
        let admission = history.admission(&guest, Role::Editor, true);
        history.say(puppet, admission)?;
    }
    for puppet in &puppets {
        let removal = history.removal(puppet);
        history.say_in_the_dark(&admin, 1, &known, removal)?;
    }
    Ok(history)
}

fn invited(history: &History, guest: &Device, number: u64) -> Assertion {
    let mut assertion = history.admission(guest, Role::Editor, true);
    if let Assertion::SpaceMember { invitation, .. } = &mut assertion {
        let mut id = [0; InvitationId::LENGTH];
        for (to, from) in id.iter_mut().zip(number.to_le_bytes()) {
            *to = from;
        }
        *invitation = Some(InvitationId::from_bytes(id));
    }
    assertion
}

/// One admin who uses each invitation in two feeds that know nothing of each other.
fn invitations(blocks: usize) -> Result<History> {
    let (mut history, admin) = History::create()?;
    let known = history.everything();
    for number in 0..blocks as u64 / 2 {
        for incarnation in [1, 2] {
            let guest = history.identity();
            let admission = invited(&history, &guest, number);
            history.say_in_the_dark(&admin, incarnation, &known, admission)?;
        }
    }
    Ok(history)
}

/// One admin who gives one member a role in each of many feeds, and the member, who writes.
fn roles(blocks: usize) -> Result<History> {
    let (mut history, admin) = History::create()?;
    let member = history.identity();
    let known = history.everything();
    for incarnation in 1..=u32::try_from(blocks / 2)? {
        let admission = history.admission(&member, Role::Admin, true);
        history.say_in_the_dark(&admin, incarnation, &known, admission)?;
    }
    for _ in 0..blocks / 2 {
        let shown = history.admission(&admin, Role::Admin, false);
        history.say(&member, shown)?;
    }
    Ok(history)
}
