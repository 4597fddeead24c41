//! An identity with two devices proves itself to a third party that is not online, and is the
//! admin of a space whose members follow from a set of control blocks.
//!
//! `cargo run -p dxos-credentials --example prove_identity`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use dxos_credentials::{
    Assertion, ControlBlock, Credential, DeviceChain, Issuer, Membership, Presentation, Profile,
    Right, Role, Seen,
};
use dxos_feed::{Append, Dag, Designation, FeedDescriptor, FeedLimits};
use dxos_keys::{DeviceKey, DeviceSecret, IdentitySecret, Keyring, SpaceKey, SpaceSecret};
use rand_core::SeedableRng;

fn main() -> Result<(), Box<dyn Error>> {
    // A real program takes the randomness of the operating system.
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);

    // Ann's laptop makes the identity; the identity's key is destroyed with this.
    let laptop = Keyring::generate(&mut rng);
    let secret = IdentitySecret::generate(&mut rng);
    let ann = secret.identity();
    let (key, sealing) = (laptop.device.device(), laptop.sealing.sealing_key());
    let laptop_chain = DeviceChain::genesis(secret, key, sealing);
    println!("identity        {ann}");

    // The laptop authorizes the phone.
    let phone = Keyring::generate(&mut rng);
    let (key, sealing) = (phone.device.device(), phone.sealing.sealing_key());
    let phone_chain = laptop_chain.authorize(&laptop.device, key, sealing)?;
    println!("phone           {key}");

    // A server has a page for members of a club, and knows which device may say who is one.
    let club = Keyring::generate(&mut rng).device;
    let card = Credential::by_device(
        &club,
        Assertion::SpaceMember {
            space: SpaceSecret::generate(&mut rng).space(),
            identity: ann,
            role: Role::Reader,
            profile: Profile::named("Ann"),
            chain: None,
            invitation: None,
            seen: Seen::new(),
        },
    );
    // It draws a challenge for each login, and the phone answers with what the page asks for. The
    // text can be pasted, or sent in a header.
    let challenge = b"drawn by the server";
    let login = Presentation::sign(&phone.device, phone_chain, vec![card], challenge, HOST)?;
    let text = login.to_string();
    let begin = text.get(..12).ok_or("a presentation is longer")?;
    println!("login           {} characters, {begin}...", text.len());
    println!(
        "server          {}",
        log_in(&text, challenge, &club.device())?
    );

    // Shown once more, shown to another server, or altered, it proves nothing.
    let again = log_in(&text, b"drawn later", &club.device());
    println!("replayed        {}", again.err().ok_or("a replay")?);
    let elsewhere = login.verify(challenge, "example.org");
    println!("elsewhere       {}", elsewhere.err().ok_or("a replay")?);
    let mut tampered = login.encode()?;
    if let Some(byte) = tampered.get_mut(40) {
        *byte ^= 1;
    }
    let tampered = Presentation::decode(&tampered);
    println!("tampered        {}", tampered.err().ok_or("a forgery")?);

    // The chain alone can be handed out as well: it shows which devices belong to whom.
    let chain: DeviceChain = login.chain().to_string().parse()?;
    println!("chain           {} links", chain.credentials().len());

    membership(&laptop.device, &laptop_chain, &mut rng)
}

/// Whom the presentations are for.
const HOST: &str = "example.com";

/// What the server does: it has the text, the challenge that it drew, and the key of the club;
/// no network, no runtime, no database of users.
fn log_in(text: &str, challenge: &[u8], club: &DeviceKey) -> Result<String, Box<dyn Error>> {
    let login: Presentation = text.parse()?;
    let user = login.verify(challenge, HOST)?;
    let card = login.credentials().iter().find_map(|credential| {
        let by_club = *credential.issuer() == Issuer::Device(*club);
        match credential.assertion() {
            Assertion::SpaceMember {
                identity, profile, ..
            } if by_club && *identity == user.identity => profile.display_name.clone(),
            _ => None,
        }
    });
    let name = card.ok_or("not a member of the club")?;
    Ok(format!("welcome, {name} ({})", user.identity.short()))
}

/// Ann creates a space, admits Ben and removes him again.
fn membership(
    laptop: &DeviceSecret,
    chain: &DeviceChain,
    rng: &mut rand_chacha::ChaCha20Rng,
) -> Result<(), Box<dyn Error>> {
    let secret = SpaceSecret::generate(rng);
    let space = secret.space();
    let ann = chain.device().identity;
    let device = Keyring::generate(rng);
    let secret_of_ben = IdentitySecret::generate(rng);
    let (key, sealing) = (device.device.device(), device.sealing.sealing_key());
    let ben = DeviceChain::genesis(secret_of_ben, key, sealing);
    let identity = ben.device().identity;

    let by_ann = |assertion| Credential::by_device(laptop, assertion);
    let credentials = [
        Credential::space_genesis(secret, ann),
        by_ann(Assertion::DevicePresented {
            space,
            chain: chain.clone(),
            halo: None,
        }),
        by_ann(Assertion::SpaceMember {
            space,
            identity,
            role: Role::Editor,
            profile: Profile::named("Ben"),
            chain: Some(ben),
            invitation: None,
            seen: Seen::new(),
        }),
        by_ann(Assertion::MemberRemoved {
            space,
            identity,
            seen: Seen::new(),
        }),
    ];
    let blocks = write(laptop, space, &credentials)?;

    let mut seen = Membership::new(space);
    for block in &blocks {
        let change = seen.insert(block.clone());
        assert!(change.counts);
        let members = seen.members();
        let members: Vec<_> = members
            .values()
            .map(|member| {
                format!(
                    "{} ({})",
                    member.profile.display_name.as_deref().unwrap_or("Ann"),
                    member.role
                )
            })
            .collect();
        println!("block {}         {}", block.seq, members.join(", "));
    }
    // Whatever the order in which the blocks arrive.
    assert_eq!(
        Membership::evaluate(space, blocks.iter().rev().cloned()),
        seen
    );

    // Ben's device writes on as if it had not heard of its removal.
    let feed = FeedDescriptor::new(key, space, Designation::Data, 0).id();
    let admission = blocks.get(2).ok_or("no admission")?;
    let judged = seen.judge(&key, (&feed, 0), &admission.past, Right::Write);
    println!(
        "Ben writes on   {}",
        judged.err().ok_or("a removed member wrote")?
    );
    Ok(())
}

/// Puts credentials into a control feed.
fn write(
    signer: &DeviceSecret,
    space: SpaceKey,
    credentials: &[Credential],
) -> Result<Vec<ControlBlock>, Box<dyn Error>> {
    let descriptor = FeedDescriptor::new(signer.device(), space, Designation::Control, 0);
    let feed = descriptor.id();
    let mut dag = Dag::new(space, FeedLimits::default());
    dag.register(descriptor)?;
    let mut blocks = Vec::new();
    for credential in credentials {
        let append = Append {
            feed,
            time_ms: 0,
            signer,
        };
        let block = dag.append(append, |_| credential.encode().into())?;
        let state = dag.feed(&feed).ok_or("the feed is registered")?;
        let place = (feed, state.length - 1, state.head, block.lamport);
        blocks.push(ControlBlock::read(
            descriptor,
            place,
            state.clock.clone(),
            &block.body,
        )?);
    }
    Ok(blocks)
}
