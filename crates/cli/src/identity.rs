//! `dx identity`.

use std::fmt::Write as _;
use std::io::Read;

use anyhow::{Context, Result, bail};
use dxos_client::{Contact, Identity, Presentation, Profile, SpaceCredential, SpaceKey};
use dxos_credentials::{Issuer, Summary};
use serde_json::json;

use crate::arguments::{IdentityCommand, UpdateOptions};
use crate::output::{Output, printable, table};
use crate::session::{Session, end, find_space, identity_text};

/// Bytes of a presentation that are read from standard input at most; a longer one is none.
const PRESENTATION_TEXT_MAX: u64 = 1 << 20;

pub(crate) async fn run(session: &Session, command: IdentityCommand, output: Output) -> Result<()> {
    match command {
        IdentityCommand::Contacts => contacts(session, output).await,
        IdentityCommand::Create {
            name,
            avatar,
            fields,
        } => {
            let profile = Profile {
                display_name: name,
                avatar,
                fields: fields.into_iter().collect(),
            };
            create(session, profile, output).await
        }
        IdentityCommand::Credentials { space } => credentials(session, space, output).await,
        IdentityCommand::Phrase => phrase(session, output).await,
        IdentityCommand::Show => show(session, output).await,
        IdentityCommand::Sign {
            challenge,
            audience,
        } => sign(session, &challenge, &audience, output).await,
        IdentityCommand::Update(options) => update(session, options, output).await,
        IdentityCommand::Verify {
            presentation,
            challenge,
            audience,
        } => verify(presentation, &challenge, &audience, output),
    }
}

async fn create(session: &Session, profile: Profile, output: Output) -> Result<()> {
    let client = session.local().await?;
    let created = client.halo().create_identity(profile).await;
    end(&client).await?;
    print(&created?, output);
    Ok(())
}

async fn show(session: &Session, output: Output) -> Result<()> {
    let client = session.local().await?;
    let identity = client.halo().identity().await;
    end(&client).await?;
    let Some(identity) = identity? else {
        bail!("this profile has no identity yet; create one with `dx identity create NAME`");
    };
    print(&identity, output);
    Ok(())
}

fn print(identity: &Identity, output: Output) {
    output.result(&json!(identity), || {
        let mut text = identity_text(identity);
        let profile = &identity.profile;
        let avatar = profile.avatar.iter().map(|avatar| ("avatar", avatar));
        let fields = profile.fields.iter().map(|(key, value)| (&**key, value));
        for (key, value) in avatar.chain(fields) {
            let _ = write!(text, "\n{}: {}", printable(key), printable(value));
        }
        text
    });
}

async fn update(session: &Session, options: UpdateOptions, output: Output) -> Result<()> {
    let client = session.local().await?;
    let updated = async {
        let identity = client.halo().identity().await?;
        let Some(identity) = identity else {
            bail!("this profile has no identity yet; create one with `dx identity create NAME`");
        };
        let profile = changed(identity.profile, options)?;
        Ok(client.halo().update_profile(profile).await?)
    };
    let updated = updated.await;
    end(&client).await?;
    print(&updated?, output);
    output.note(LATER);
    Ok(())
}

/// What is said of a change that was made here alone.
pub(crate) const LATER: &str =
    "reaches others when this profile is next online: run `dx serve` for a while";

fn changed(mut profile: Profile, options: UpdateOptions) -> Result<Profile> {
    if let Some(name) = options.name {
        profile.display_name = Some(name);
    }
    if let Some(avatar) = options.avatar {
        profile.avatar = Some(avatar).filter(|avatar| !avatar.is_empty());
    }
    for key in options.unset {
        if profile.fields.remove(&key).is_none() {
            let known: Vec<_> = profile.fields.keys().map(String::as_str).collect();
            bail!("there is no field {key:?}; there are: {}", known.join(", "));
        }
    }
    profile.fields.extend(options.fields);
    Ok(profile)
}

async fn contacts(session: &Session, output: Output) -> Result<()> {
    let client = session.local().await?;
    let contacts = client.halo().contacts().await;
    end(&client).await?;
    let contacts = contacts?;
    output.result(&json!(contacts), || {
        if contacts.is_empty() {
            return "nobody yet; `dx space invite SPACE` invites somebody".to_owned();
        }
        let row = |contact: &Contact| {
            let spaces: Vec<_> = contact.spaces.iter().map(SpaceKey::short).collect();
            let name = contact.profile.display_name.clone().unwrap_or_default();
            vec![contact.identity.short(), name, spaces.join(", ")]
        };
        table(&["contact", "name", "spaces"], contacts.iter().map(row))
    });
    Ok(())
}

async fn phrase(session: &Session, output: Output) -> Result<()> {
    let client = session.local().await?;
    let phrase = client.halo().create_recovery_phrase().await?;
    output.note(
        "These 24 words bring your identity and your spaces back when all your devices are lost.\n\
         Whoever has them can be you. Write them down on paper now: they are not shown again.\n\
         `dx recover` takes them; `dx device revoke` makes them worthless.\n",
    );
    let key = phrase.keys().device.device();
    let words = phrase.reveal();
    let json = json!({ "phrase": &**words, "key": key });
    output.result(&json, || numbered(&words));
    if let Err(error) = Output::is_written() {
        // Nobody has seen it.
        client.halo().revoke_device(key).await?;
        end(&client).await?;
        return Err(error.context("the phrase was made worthless again"));
    }
    end(&client).await?;
    output.note(
        "\nThey work once another device or member has been online together with this profile:\n\
         run `dx serve` for a while.",
    );
    Ok(())
}

/// The words in lines of four, each with its number.
fn numbered(words: &str) -> String {
    let mut text = String::new();
    for (at, word) in words.split(' ').enumerate() {
        if at > 0 {
            text.push_str(if at % 4 == 0 { "\n" } else { "  " });
        }
        let _ = write!(text, "{:>2} {word:<9}", at + 1);
    }
    text
}

async fn sign(session: &Session, challenge: &str, audience: &str, output: Output) -> Result<()> {
    let client = session.local().await?;
    let halo = client.halo();
    let signed = halo.sign_presentation(challenge.as_bytes(), audience).await;
    end(&client).await?;
    let text = signed?.to_string();
    let json = json!({ "presentation": text, "audience": audience });
    output.result(&json, || text.clone());
    Ok(())
}

fn verify(mut text: String, challenge: &str, audience: &str, output: Output) -> Result<()> {
    if text == "-" {
        text.clear();
        let stdin = std::io::stdin().lock();
        stdin
            .take(PRESENTATION_TEXT_MAX)
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
    }
    let presentation: Presentation = text.parse()?;
    let shown = presentation.verify(challenge.as_bytes(), audience)?;
    let credentials = presentation.credentials();
    let json = json!({
        "identity": shown.identity,
        "device": shown.device,
        "credentials": credentials.len(),
    });
    output.result(&json, || {
        format!(
            "good: made by identity {}\nwith device {}",
            shown.identity, shown.device
        )
    });
    Ok(())
}

async fn credentials(session: &Session, space: Option<String>, output: Output) -> Result<()> {
    let client = session.local().await?;
    let found = async {
        match space {
            Some(space) => Ok(find_space(&client, &space).await?.credentials().await?),
            None => anyhow::Ok(client.halo().credentials().await?),
        }
    };
    let found = found.await;
    end(&client).await?;
    let rows: Vec<_> = found?.iter().map(Row::of).collect();
    let json: Vec<_> = rows.iter().map(Row::json).collect();
    output.result(&json!(json), || {
        let rows = rows.iter().map(Row::cells);
        table(&["credential", "about", "by", "counts"], rows)
    });
    Ok(())
}

/// What is shown of a credential.
struct Row {
    kind: &'static str,
    about: Option<String>,
    detail: Option<String>,
    by: String,
    counts: bool,
    lamport: u64,
}

impl Row {
    fn of(of: &SpaceCredential) -> Self {
        let Summary {
            kind,
            about,
            detail,
        } = of.credential.assertion().summary();
        let by = match of.credential.issuer() {
            Issuer::Space(key) => key.to_string(),
            Issuer::Identity(key) => key.to_string(),
            Issuer::Device(key) => key.to_string(),
        };
        Self {
            kind,
            about,
            detail,
            by,
            counts: of.counts,
            lamport: of.lamport,
        }
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "type": self.kind,
            "about": self.about,
            "detail": self.detail,
            "issuer": self.by,
            "counts": self.counts,
            "lamport": self.lamport,
        })
    }

    fn cells(&self) -> Vec<String> {
        let short = |key: &str| key.chars().take(8).collect::<String>();
        let about = self.about.as_deref().map(short).unwrap_or_default();
        let about = match &self.detail {
            Some(detail) => format!("{about} {detail}"),
            None => about,
        };
        let counts = if self.counts { "yes" } else { "no" };
        vec![
            self.kind.to_owned(),
            about,
            short(&self.by),
            counts.to_owned(),
        ]
    }
}
