//! Under which addresses this machine can be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use dxos_transport::PeerAddress;

/// The addresses of a socket that is bound to `local`: for an unspecified one, that of the
/// interface which leads to the internet, then loopback.
pub(crate) fn reachable(local: SocketAddr) -> Vec<PeerAddress> {
    let port = local.port();
    if !local.ip().is_unspecified() {
        return vec![local.into()];
    }
    let mut found = Vec::new();
    if local.is_ipv6() {
        found.extend(outward(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))));
    }
    found.extend(outward(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))));
    found.push(IpAddr::from(Ipv4Addr::LOCALHOST));
    if local.is_ipv6() {
        found.push(IpAddr::from(Ipv6Addr::LOCALHOST));
    }
    let mut addresses: Vec<PeerAddress> = Vec::new();
    for ip in found {
        let address = PeerAddress::Ip(SocketAddr::new(ip, port));
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// The interface that the operating system would use to reach the internet. Connecting a UDP
/// socket sends nothing; the address is one for documentation (RFC 5737, RFC 3849).
fn outward(from: SocketAddr) -> Option<IpAddr> {
    let to: SocketAddr = if from.is_ipv6() {
        SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9))
    } else {
        SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9))
    };
    let socket = UdpSocket::bind(from).ok()?;
    socket.connect(to).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}
