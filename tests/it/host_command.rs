//! `dx host`, and `dx` alone: real processes, asked over HTTP as a browser asks first.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::processes::{Dx, Running, json_line};

fn get(port: u16, path: &str) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// Where a host says that it is: its port and the address to open.
fn ready(host: &mut Running) -> (u16, String) {
    let ready = json_line(host);
    assert_eq!(ready["event"], "ready");
    let url = ready["url"].as_str().unwrap().to_owned();
    let address: std::net::SocketAddr = ready["address"].as_str().unwrap().parse().unwrap();
    assert!(address.ip().is_loopback());
    assert_eq!(
        url,
        format!(
            "http://{address}/#token={}",
            ready["token"].as_str().unwrap()
        )
    );
    (address.port(), url)
}

#[test]
fn dx_alone_serves_the_console_and_is_found_again_at_the_same_port() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("profile"));
    let mut host = dx.spawn(&["--offline", "--json"]);
    let (port, url) = ready(&mut host);
    assert!(get(port, "/").starts_with("HTTP/1.1 200"));
    assert!(get(port, "/healthz").starts_with("HTTP/1.1 204"));
    // What opens the console is nowhere on the disk.
    let token = url.rsplit_once('=').unwrap().1;
    let kept = std::fs::read_to_string(home.path().join("profile/host.json")).unwrap();
    assert!(
        kept.contains(&port.to_string()) && !kept.contains(token),
        "{kept}"
    );
    // The profile is in use meanwhile, which is said.
    let taken = dx.output(&["identity", "show", "--offline"]);
    assert!(!taken.status.success());
    host.kill();

    let mut host = dx.spawn(&["host", "--offline", "--json", "--no-console"]);
    assert_eq!(ready(&mut host).0, port);
    assert!(get(port, "/").starts_with("HTTP/1.1 404"));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let home = tempfile::tempdir().unwrap();
    let dx = Dx::new(&home.path().join("profile"));
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = dx.output(&["host", "--offline", "--port", &port]);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains(&port) && said.contains("--port"), "{said}");
    let wrong = dx.output(&["host", "--offline", "--allow-origin", "localhost"]);
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert!(
        !wrong.status.success() && said.contains("http://localhost"),
        "{said}"
    );
}
