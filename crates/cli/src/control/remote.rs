//! Files of the user, as a command reads and writes them that runs in another process. Each piece
//! is asked for or waited for: neither side ever has more than one.

use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};

use super::within::Within;
use super::{Asked, PIECE_BYTES_MAX, Told};

/// The file that the command reads. It blocks.
#[derive(Debug)]
pub(crate) struct RemoteReader {
    within: Within,
    length: u64,
    position: u64,
    /// Where the user's side is to read on, when that is not where it is.
    from: Option<u64>,
    piece: Vec<u8>,
    /// How much of the piece was read.
    taken: usize,
}

impl RemoteReader {
    /// Has it opened.
    pub(crate) async fn open(within: Within) -> anyhow::Result<Self> {
        let Asked::Opened(length) = within.call(Told::Open).await?.0 else {
            return Err(strange().into());
        };
        Ok(Self {
            within,
            length,
            position: 0,
            from: None,
            piece: Vec::new(),
            taken: 0,
        })
    }

    /// Its bytes, as far as that is known.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }
}

impl Read for RemoteReader {
    fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        if self.piece.len() == self.taken && !to.is_empty() {
            let from = self.from.take();
            let (Asked::Read, piece) = self.within.blocking_call(Told::Read { from })? else {
                return Err(strange());
            };
            (self.piece, self.taken) = (piece, 0);
        }
        let mut rest = self.piece.get(self.taken..).unwrap_or_default();
        let read = rest.read(to)?;
        self.taken += read;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for RemoteReader {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        let position = position.ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
        if position != self.position {
            self.from = Some(position);
            self.position = position;
            (self.piece, self.taken) = (Vec::new(), 0);
        }
        Ok(position)
    }
}

/// What the command writes. It blocks, and what was not flushed is lost.
#[derive(Debug)]
pub(crate) struct RemoteFile {
    within: Within,
    is_standard: bool,
    piece: Vec<u8>,
}

impl RemoteFile {
    /// Standard output.
    pub(crate) const fn standard(within: Within) -> Self {
        Self {
            within,
            is_standard: true,
            piece: Vec::new(),
        }
    }

    /// The file that the command writes, which is begun.
    pub(crate) async fn create(within: Within) -> anyhow::Result<Self> {
        match within.call(Told::Create).await?.0 {
            Asked::Done => Ok(Self {
                within,
                is_standard: false,
                piece: Vec::new(),
            }),
            _ => Err(strange().into()),
        }
    }

    /// It is whole.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.flush()?;
        if self.is_standard {
            return Ok(());
        }
        match self.within.blocking_call(Told::Finish)?.0 {
            Asked::Done => Ok(()),
            _ => Err(strange()),
        }
    }
}

impl Write for RemoteFile {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.piece.len() == PIECE_BYTES_MAX {
            self.flush()?;
        }
        let room = PIECE_BYTES_MAX.saturating_sub(self.piece.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.piece.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let told = if self.is_standard {
            Told::OutBytes
        } else {
            Told::Write
        };
        let piece = std::mem::take(&mut self.piece);
        self.within.blocking_carry(told, piece)
    }
}

fn strange() -> Error {
    Error::other("something else was answered than was asked")
}
