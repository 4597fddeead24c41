use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Two ends over loopback, each with its key.
async fn pair(asker: ContentKey, server: ContentKey) -> (Channel, Channel) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let ask = async {
        let stream = TcpStream::connect(address).await.unwrap();
        Channel::open(stream, asker, Side::Asker).await.unwrap()
    };
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        Channel::open(stream, server, Side::Server).await.unwrap()
    };
    tokio::join!(ask, serve)
}

fn key(byte: u8) -> ContentKey {
    ContentKey::from_bytes([byte; KEY_BYTES])
}

#[tokio::test]
async fn what_is_asked_and_told_crosses_in_order() {
    let (mut asker, mut server) = pair(key(1), key(1)).await;
    for text in ["äöü 水", "", "a\nb"] {
        server.send(&Told::Out(text.to_owned())).await.unwrap();
        let told: Told = asker.receive(Some(PATIENCE)).await.unwrap();
        assert!(matches!(told, Told::Out(told) if told == text));
    }
    asker.send(&Asked::Answer(None)).await.unwrap();
    let asked: Asked = server.receive(Some(PATIENCE)).await.unwrap();
    assert!(matches!(asked, Asked::Answer(None)));
}

#[tokio::test]
async fn bytes_cross_behind_a_message_as_they_are_also_to_one_who_takes_his_time() {
    let (mut asker, mut server) = pair(key(1), key(1)).await;
    let pieces: Vec<Vec<u8>> = (0..200_usize)
        .map(|n| vec![u8::try_from(n).unwrap(); PIECE_BYTES_MAX])
        .chain([Vec::new(), b"\xff\x00{}".to_vec()])
        .collect();
    let sending = async {
        for piece in &pieces {
            server.send_with(&Told::Write, piece).await.unwrap();
        }
    };
    tokio::pin!(sending);
    // Until nothing more goes into the buffers on the way.
    let full = Duration::from_millis(300);
    assert!(tokio::time::timeout(full, &mut sending).await.is_err());
    let receiving = async {
        for piece in &pieces {
            let (told, bytes): (Told, _) = asker.receive_with(None).await.unwrap();
            assert!(matches!(told, Told::Write) && bytes == *piece);
        }
    };
    tokio::join!(sending, receiving);
}

#[tokio::test]
async fn whoever_has_another_key_is_not_understood() {
    let (mut asker, mut server) = pair(key(1), key(2)).await;
    server.send(&Told::Ready).await.unwrap();
    assert!(asker.receive::<Told>(Some(PATIENCE)).await.is_err());
    asker.send(&Asked::Answer(None)).await.unwrap();
    assert!(server.receive::<Asked>(Some(PATIENCE)).await.is_err());
}

#[tokio::test]
async fn what_was_said_once_cannot_be_said_again_or_sent_back() {
    let (mut asker, mut server) = pair(key(1), key(1)).await;
    let (mut later, mut again) = pair(key(1), key(1)).await;
    let plain = channel::packed(&Told::Done, &[]).unwrap();
    let sealed = server.key.seal(&server.associated(Side::Server, 0), &plain);
    let mut frame = u32::try_from(sealed.len()).unwrap().to_le_bytes().to_vec();
    frame.extend(&sealed);
    server.stream.write_all(&frame).await.unwrap();
    server.stream.write_all(&frame).await.unwrap();
    assert!(asker.receive::<Told>(Some(PATIENCE)).await.is_ok());
    // The second time, in another conversation, and to the one who said it.
    assert!(asker.receive::<Told>(Some(PATIENCE)).await.is_err());
    again.stream.write_all(&frame).await.unwrap();
    assert!(later.receive::<Told>(Some(PATIENCE)).await.is_err());
    later.stream.write_all(&frame).await.unwrap();
    assert!(again.receive::<Told>(Some(PATIENCE)).await.is_err());
}

#[tokio::test]
async fn a_length_that_is_too_long_takes_no_memory() {
    let (mut asker, mut server) = pair(key(1), key(1)).await;
    server.stream.write_all(&[0xff; 4]).await.unwrap();
    let error = asker.receive::<Told>(Some(PATIENCE)).await.unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
}

#[test]
fn a_place_is_read_as_it_was_written_and_garbage_is_none() {
    let home = tempfile::tempdir().unwrap();
    assert!(Place::read(home.path()).is_none());
    let place = Place {
        port: 4711,
        key: key(7),
    };
    place.write(home.path()).unwrap();
    place.write(home.path()).unwrap();
    let read = Place::read(home.path()).unwrap();
    assert_eq!((read.port, read.key.id()), (4711, key(7).id()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(file_of(home.path())).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }
    for garbage in [
        &b""[..],
        b"\x01",
        &[0; FILE_BYTES - 1],
        &[0; FILE_BYTES + 1],
    ] {
        fs::write(file_of(home.path()), garbage).unwrap();
        assert!(Place::read(home.path()).is_none(), "{garbage:?}");
    }
}
