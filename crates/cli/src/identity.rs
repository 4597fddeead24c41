//! `dx identity`.

use std::fmt::Write as _;
use std::io::Read;

use anyhow::{Context, Result, bail};
use dxos_client::{
    Contact, Identity, IdentityKey, Presentation, Profile, SpaceCredential, SpaceKey,
};
use dxos_credentials::{DeviceChain, Issuer, Summary};
use serde_json::json;

use crate::arguments::{IdentityCommand, UpdateOptions};
use crate::control::Within;
use crate::output::{Output, printable, table};
use crate::recover::text_of;
use crate::session::{Session, end, find_space, identity_text};

/// Bytes of a presentation that are read from standard input at most; a longer one is none.
const PRESENTATION_TEXT_MAX: u64 = 1 << 20;

pub(crate) async fn run(session: &Session, command: IdentityCommand, output: Output) -> Result<()> {
    match command {
        IdentityCommand::Chain => chain(session, output).await,
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
        IdentityCommand::VerifyChain { chain, identity } => verify_chain(chain, identity, output),
    }
}

async fn create(session: &Session, profile: Profile, output: Output) -> Result<()> {
    let client = session.local().await?;
    let created = client.halo().create_identity(profile).await;
    end(&client).await?;
    print(&created?, output);
    output.note("\n`dx identity phrase` gives 24 words that bring it back when this device is lost or stolen.");
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
    later(output);
    Ok(())
}

/// Says of a change that was made here alone what it takes to reach others.
pub(crate) fn later(output: Output) {
    if Within::find().is_none() {
        output.note("reaches others when this profile is next online: run `dx serve` for a while");
    }
}

/// Whether somebody is online, where that is known: by a process that is.
pub(crate) fn online_text(online: bool) -> String {
    match (online, Within::find()) {
        (true, Some(_)) => "yes",
        (false, Some(_)) => "no",
        (_, None) => "",
    }
    .to_owned()
}

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
            let online = online_text(contact.online);
            vec![contact.identity.short(), name, spaces.join(", "), online]
        };
        let rows = contacts.iter().map(row);
        table(&["contact", "name", "spaces", "online"], rows)
    });
    Ok(())
}

async fn phrase(session: &Session, output: Output) -> Result<()> {
    let client = session.local().await?;
    let phrase = client.halo().create_recovery_phrase().await?;
    output.note(
        "These 24 words bring your identity and your spaces back when all your devices are lost.\n\
         They also turn out a device that was stolen and resists, this one or those it added.\n\
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
    output.note(&format!("\nIn the list of devices they are {key}."));
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

async fn chain(session: &Session, output: Output) -> Result<()> {
    let client = session.local().await?;
    let chain = client.halo().device_chain().await;
    end(&client).await?;
    let chain = chain?;
    let of = chain.device();
    let text = chain.to_string();
    let json = json!({ "chain": text, "identity": of.identity, "device": of.device });
    output.result(&json, || text.clone());
    Ok(())
}

fn verify_chain(text: String, identity: Option<IdentityKey>, output: Output) -> Result<()> {
    // One that can be read holds.
    let chain: DeviceChain = proof(text)?.parse()?;
    let of = chain.device();
    if let Some(identity) = identity
        && identity != of.identity
    {
        bail!(
            "this is a chain of identity {}, not of {identity}",
            of.identity
        );
    }
    let credentials = chain.credentials();
    let links = credentials.iter().map(|link| link.assertion().summary());
    let links: Vec<_> = links.map(|link| (link.kind, link.about)).collect();
    let json: Vec<_> = links
        .iter()
        .map(|(kind, about)| json!({ "type": kind, "about": about }))
        .collect();
    let json = json!({ "identity": of.identity, "device": of.device, "links": json });
    output.result(&json, || {
        let rows = links.iter().map(|(kind, about)| {
            let about = about.clone().unwrap_or_default();
            vec![(*kind).to_owned(), about]
        });
        format!(
            "good: device {}\nis of identity {}; whether it was revoked since then, only a space \
             that it is in can tell\n\n{}",
            of.device,
            of.identity,
            table(&["credential", "about"], rows)
        )
    });
    Ok(())
}

/// A proof as text: the argument itself, or standard input for `-`, as any editor saves it.
fn proof(text: String) -> Result<String> {
    if text != "-" {
        return Ok(text);
    }
    let mut bytes = Vec::new();
    let stdin = std::io::stdin().lock();
    stdin
        .take(PRESENTATION_TEXT_MAX)
        .read_to_end(&mut bytes)
        .context("cannot read standard input")?;
    Ok(text_of(&bytes)?.trim().to_owned())
}

fn verify(text: String, challenge: &str, audience: &str, output: Output) -> Result<()> {
    let presentation: Presentation = proof(text)?.parse()?;
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
