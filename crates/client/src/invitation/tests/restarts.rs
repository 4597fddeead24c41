//! Hosts that are started again.

use super::*;

#[test]
fn attempts_are_counted_over_a_restart() {
    let mut host = Host::new(Authentication::SharedSecret, true);
    let code = host.code.clone().unwrap();
    for n in 1..=2 {
        assert_eq!(
            join(&mut host, n, 1, SESSION, &["000000"]),
            End::AsksForCode
        );
        host.restart();
    }
    let third = join(&mut host, 3, 1, SESSION, &["000000"]);
    let over = End::Failed(Failure::Refused(Refusal::TooManyAttempts));
    assert_eq!(third, over);
    host.restart();
    assert_eq!(join(&mut host, 4, 1, SESSION, &[code.as_str()]), over);
}

#[test]
fn a_device_that_is_being_admitted_when_the_host_stops_keeps_its_place() {
    let mut host = Host::of(&Asked {
        kind: InvitationKind::Device,
        proof: InvitationProof::None,
        single_use: true,
    });
    let exchange = ExchangeId(1);
    let (device, binding) = (guest(1).0, SESSION);
    host.step(
        exchange,
        Input::Connected {
            guest: device,
            binding,
        },
    );
    let invitation = host.invitation.id;
    host.step(
        exchange,
        Input::Message(GuestMessage::Introduce { invitation }),
    );
    host.step(exchange, Input::Message(request(InvitationKind::Device, 1)));
    assert_eq!(host.admissions.len(), 1);
    host.restart();
    let other = join(&mut host, 2, 2, SESSION, &[]);
    assert_eq!(other, End::Failed(Failure::Refused(Refusal::Unknown)));
    assert_eq!(join(&mut host, 3, 1, SESSION, &[]), End::Admitted);
    assert_eq!(host.machine.usage().used_by, [GuestKey::Device(device)]);
}
