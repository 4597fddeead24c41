//! The limits: a file with fsync, and bytes over the same QUIC transport without ECHO and MESH.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use dxos_keys::DeviceSecret;
use dxos_quic::{QuicConfig, QuicTransport};
use dxos_transport::{Stream, Transport as _};
use dxos_wire::StreamKind;

use crate::{Figure, Latencies};

/// Bytes of one frame.
const FRAME: usize = 64 * 1024;

pub(crate) async fn run(size: usize) -> Result<Vec<Figure>> {
    let (syncs, took) = fsync((size / 50).clamp(50, 2000))?;
    let mut figures = vec![Figure::rate(
        "100 B appended to a file, fsync each",
        syncs,
        took,
    )];
    let (sent, took) = transfer(size as u64 * 1000).await?;
    figures.push(Figure::bandwidth(
        "one QUIC stream, frames of 64 KiB",
        sent,
        took,
    ));
    figures.extend(round_trips((size / 50).clamp(50, 2000)).await?);
    Ok(figures)
}

fn fsync(count: usize) -> Result<(usize, Duration)> {
    let mut file = tempfile::tempfile()?;
    let start = Instant::now();
    for _ in 0..count {
        file.write_all(&[7; 100])?;
        file.sync_data()?;
    }
    Ok((count, start.elapsed()))
}

/// Two endpoints on loopback and a stream between them.
async fn pair() -> Result<(Stream, Stream, [QuicTransport; 2])> {
    let bind = |seed| {
        let local = QuicConfig::at(([127, 0, 0, 1], 0));
        QuicTransport::bind(local, Arc::new(DeviceSecret::from_seed(&[seed; 32])))
    };
    let (ann, bob) = (bind(1)?, bind(2)?);
    let addresses = bob.addresses();
    let (there, here) = tokio::join!(ann.connect(bob.device(), &addresses), bob.accept());
    let (there, here) = (there?, here.context("the endpoint closed")?);
    let mut out = there.open(StreamKind::Replicate).await?;
    out.sender.send(Bytes::from_static(b"begin")).await?;
    let (_, mut incoming) = here.accept().await?;
    incoming.receiver.receive().await?;
    Ok((out, incoming, [ann, bob]))
}

/// Moves at least `bytes` from one endpoint to another; how many, and in what time.
pub(crate) async fn transfer(bytes: u64) -> Result<(u64, Duration)> {
    let (mut out, mut incoming, endpoints) = pair().await?;
    let frames = bytes.div_ceil(FRAME as u64);
    let frame = Bytes::from(vec![7; FRAME]);
    let start = Instant::now();
    let sending = tokio::spawn(async move {
        let mut left = frames;
        while left > 0 {
            let batch = left.min(16);
            let batch = usize::try_from(batch).unwrap_or(16);
            out.sender.send_many(vec![frame.clone(); batch]).await?;
            left -= batch as u64;
        }
        out.sender.finish().await?;
        anyhow::Ok(out)
    });
    let mut received = 0;
    loop {
        let frames = incoming.receiver.receive_many(64).await?;
        if frames.is_empty() {
            break;
        }
        received += frames.iter().map(|frame| frame.len() as u64).sum::<u64>();
    }
    let took = start.elapsed();
    drop(sending.await??);
    for endpoint in endpoints {
        endpoint.close().await;
    }
    Ok((received, took))
}

async fn round_trips(count: usize) -> Result<Vec<Figure>> {
    let (mut out, mut incoming, endpoints) = pair().await?;
    let echoing = tokio::spawn(async move {
        while let Ok(Some(frame)) = incoming.receiver.receive().await {
            if incoming.sender.send(frame).await.is_err() {
                break;
            }
        }
    });
    let mut latencies = Latencies::new();
    for _ in 0..count {
        let start = Instant::now();
        out.sender.send(Bytes::from_static(&[7; 200])).await?;
        out.receiver.receive().await?;
        latencies.record(start.elapsed());
    }
    drop(out);
    echoing.await?;
    for endpoint in endpoints {
        endpoint.close().await;
    }
    Ok(latencies.figures("round trip of 200 B on a QUIC stream", Duration::ZERO))
}
