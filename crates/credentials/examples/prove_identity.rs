//! An identity with two devices proves itself to a third party that is not online, and is the
//! admin of a space whose members follow from a set of control blocks.
//!
//! `cargo run -p dxos-credentials --example prove_identity`

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use dxos_credentials::{
    Assertion, ControlBlock, Credential, DeviceChain, Membership, Presentation, Right, Role,
};
use dxos_feed::{Append, Dag, Designation, FeedDescriptor, FeedLimits};
use dxos_keys::{DeviceSecret, IdentitySecret, Keyring, SpaceKey, SpaceSecret};
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

    // The phone signs in at a server, which drew the challenge and needs nobody to verify it.
    let shown = Presentation::sign(
        &phone.device,
        phone_chain,
        b"drawn by the server",
        "example.com",
    );
    let bytes = shown.encode()?;
    let verified = Presentation::decode(&bytes)?.verify(b"drawn by the server", "example.com")?;
    println!(
        "presentation    {} bytes, acts for {}",
        bytes.len(),
        verified.identity.short()
    );
    assert_eq!((verified.identity, verified.device), (ann, key));

    // Shown to another server, or altered, it proves nothing.
    let replayed = Presentation::decode(&bytes)?.verify(b"drawn by another", "example.org");
    println!(
        "replayed        {}",
        replayed.err().ok_or("a replay was accepted")?
    );
    let mut tampered = bytes;
    if let Some(byte) = tampered.get_mut(40) {
        *byte ^= 1;
    }
    let tampered = Presentation::decode(&tampered);
    println!(
        "tampered        {}",
        tampered.err().ok_or("a forgery was accepted")?
    );

    membership(&laptop.device, &laptop_chain, &mut rng)
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
        }),
        by_ann(Assertion::SpaceMember {
            space,
            identity,
            role: Role::Editor,
            display_name: Some("Ben".to_owned()),
            chain: Some(ben),
            invitation: None,
        }),
        by_ann(Assertion::MemberRemoved { space, identity }),
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
                    member.display_name.as_deref().unwrap_or("Ann"),
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
