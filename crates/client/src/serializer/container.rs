//! The outside of an archive: a stream of records in chunks, which may be encrypted, and a
//! checksum over everything.
//!
//! ```text
//! magic      8 bytes   "dxarch\r\n"
//! format     1         1
//! protection 1         0 nothing, 1 a passphrase
//! of 1:     28         Argon2id memory in KiB, passes, lanes (4 bytes each), salt (16)
//! chunk      4         its length; the highest bit marks the last one
//!            length    up to 64 KiB of records, sealed when there is a passphrase
//! ...
//! checksum  32         BLAKE3 over all of the above
//! ```
//!
//! Numbers are little-endian. A sealed chunk (XChaCha20-Poly1305) is bound to everything before
//! the first chunk, to its number and to whether it is the last one, so that chunks that are left
//! out, exchanged, or taken from another archive do not open. A record is its length in four
//! bytes and its content; it may go over several chunks.

use std::io::{ErrorKind, Read, Write};

use dxos_keys::{Argon2Params, ContentKey, HashDomain, Hasher, SEAL_OVERHEAD_BYTES, stretch};

use super::ArchiveError;

const MAGIC: &[u8; 8] = b"dxarch\r\n";
const FORMAT: u8 = 1;
const CHUNK_BYTES: usize = 64 * 1024;
const LAST: u32 = 1 << 31;
const CHECKSUM_BYTES: usize = 32;
/// No record is longer; the longest hold an object or a run of blocks.
const RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What stands before the first chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Preamble {
    lock: Option<(Argon2Params, [u8; 16])>,
}

impl Preamble {
    /// For an archive under a passphrase, with this salt; without one for all to read.
    pub(super) fn new(salt: Option<[u8; 16]>) -> Self {
        Self {
            lock: salt.map(|salt| (Argon2Params::default(), salt)),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(FORMAT);
        bytes.push(u8::from(self.lock.is_some()));
        if let Some((params, salt)) = &self.lock {
            for number in [params.memory_kib, params.passes, params.lanes] {
                bytes.extend(number.to_le_bytes());
            }
            bytes.extend(salt);
        }
        bytes
    }

    fn read(input: &mut impl Read) -> Result<Self, ArchiveError> {
        let mut head = [0; 10];
        let length = read_some(input, &mut head)?;
        let (magic, _) = head.split_at(MAGIC.len());
        if length == 0 {
            return Err(ArchiveError::Empty);
        }
        if head.get(..length.min(MAGIC.len())) != MAGIC.get(..length.min(MAGIC.len())) {
            return Err(ArchiveError::NotAnArchive);
        }
        debug_assert!(length < MAGIC.len() || magic == MAGIC);
        if length < head.len() {
            return Err(ArchiveError::Truncated);
        }
        let [.., format, protection] = head;
        if format > FORMAT {
            return Err(ArchiveError::Newer {
                found: format,
                known: FORMAT,
            });
        }
        let lock = match (format, protection) {
            (FORMAT, 0) => None,
            (FORMAT, 1) => {
                let mut numbers = [[0; 4]; 3];
                for number in &mut numbers {
                    read_all(input, number)?;
                }
                let [memory_kib, passes, lanes] = numbers.map(u32::from_le_bytes);
                let mut salt = [0; 16];
                read_all(input, &mut salt)?;
                let params = Argon2Params {
                    memory_kib,
                    passes,
                    lanes,
                };
                Some((params, salt))
            }
            _ => return Err(ArchiveError::Altered),
        };
        Ok(Self { lock })
    }

    /// The key that a passphrase gives; `None` when the archive is for all to read. Takes as long
    /// as the passphrase takes to stretch.
    pub(super) fn unlock(
        &self,
        passphrase: Option<&str>,
    ) -> Result<Option<ContentKey>, ArchiveError> {
        let Some((params, salt)) = &self.lock else {
            return Ok(None);
        };
        let passphrase = passphrase.ok_or(ArchiveError::NeedsPassphrase)?;
        let key = stretch(passphrase, salt, *params);
        key.map(Some).map_err(|_| ArchiveError::Altered)
    }
}

/// What a sealed chunk is bound to.
fn place(preamble: &[u8], number: u64, last: bool) -> Vec<u8> {
    let mut place = preamble.to_vec();
    place.extend(number.to_le_bytes());
    place.push(u8::from(last));
    place
}

/// Writes an archive.
#[derive(Debug)]
pub(super) struct Writer<W> {
    out: W,
    hasher: Hasher,
    key: Option<ContentKey>,
    preamble: Vec<u8>,
    chunks: u64,
    plain: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins one. `key` is what the preamble unlocks to.
    pub(super) fn begin(
        out: W,
        preamble: &Preamble,
        key: Option<ContentKey>,
    ) -> Result<Self, ArchiveError> {
        let preamble = preamble.encode();
        let mut writer = Self {
            out,
            hasher: Hasher::new(HashDomain::Archive),
            key,
            preamble: preamble.clone(),
            chunks: 0,
            plain: Vec::with_capacity(2 * CHUNK_BYTES),
        };
        writer.put(&preamble)?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.hasher.update(bytes);
        self.out.write_all(bytes)?;
        Ok(())
    }

    /// Appends a record.
    pub(super) fn record(&mut self, record: &[u8]) -> Result<(), ArchiveError> {
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        if record.len() > RECORD_BYTES_MAX {
            return Err(ArchiveError::TooLarge {
                bytes: record.len(),
            });
        }
        self.plain.extend(length.to_le_bytes());
        self.plain.extend(record);
        while self.plain.len() > CHUNK_BYTES {
            let rest = self.plain.split_off(CHUNK_BYTES);
            let chunk = std::mem::replace(&mut self.plain, rest);
            self.chunk(&chunk, false)?;
        }
        Ok(())
    }

    fn chunk(&mut self, plain: &[u8], last: bool) -> Result<(), ArchiveError> {
        let sealed = self.key.as_ref().map(|key| {
            let place = place(&self.preamble, self.chunks, last);
            key.seal(&place, plain)
        });
        let chunk = sealed.as_deref().unwrap_or(plain);
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        self.put(&(length | if last { LAST } else { 0 }).to_le_bytes())?;
        self.put(chunk)?;
        self.chunks += 1;
        Ok(())
    }

    /// Ends it, and gives back what it was written to.
    pub(super) fn finish(mut self) -> Result<W, ArchiveError> {
        let plain = std::mem::take(&mut self.plain);
        self.chunk(&plain, true)?;
        let checksum = self.hasher.finish();
        self.out.write_all(&checksum)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Reads through a whole archive and holds it against its checksum.
pub(super) fn check(input: &mut impl Read) -> Result<Preamble, ArchiveError> {
    let mut hasher = Hasher::new(HashDomain::Archive);
    let preamble = Preamble::read(input)?;
    hasher.update(&preamble.encode());
    let mut chunk = Vec::new();
    loop {
        let (length, last) = read_chunk(input, &mut chunk)?;
        hasher.update(&length).update(&chunk);
        if last {
            break;
        }
    }
    let mut checksum = [0; CHECKSUM_BYTES];
    read_all(input, &mut checksum)?;
    if checksum != hasher.finish() || read_some(input, &mut [0])? != 0 {
        return Err(ArchiveError::Altered);
    }
    Ok(preamble)
}

/// Reads the records of an archive that was checked.
#[derive(Debug)]
pub(super) struct Reader<R> {
    input: R,
    key: Option<ContentKey>,
    preamble: Vec<u8>,
    chunks: u64,
    last: bool,
    chunk: Vec<u8>,
    /// What was read of the chunk.
    at: usize,
}

impl<R: Read> Reader<R> {
    /// Begins to read, from the first byte on. `key` is what the preamble unlocks to.
    pub(super) fn begin(mut input: R, key: Option<ContentKey>) -> Result<Self, ArchiveError> {
        let preamble = Preamble::read(&mut input)?.encode();
        Ok(Self {
            input,
            key,
            preamble,
            chunks: 0,
            last: false,
            chunk: Vec::new(),
            at: 0,
        })
    }

    /// The next record; `None` behind the last one.
    pub(super) fn record(&mut self) -> Result<Option<Vec<u8>>, ArchiveError> {
        let mut length = Vec::new();
        self.take(4, &mut length)?;
        if length.is_empty() {
            return Ok(None);
        }
        let length: [u8; 4] = length.try_into().map_err(|_| ArchiveError::Altered)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > RECORD_BYTES_MAX {
            return Err(ArchiveError::Altered);
        }
        let mut record = Vec::new();
        self.take(length, &mut record)?;
        if record.len() < length {
            return Err(ArchiveError::Altered);
        }
        Ok(Some(record))
    }

    /// Appends so many bytes to `to`, or as many as there are.
    fn take(&mut self, bytes: usize, to: &mut Vec<u8>) -> Result<(), ArchiveError> {
        while to.len() < bytes {
            let rest = self.chunk.get(self.at..).unwrap_or_default();
            if rest.is_empty() {
                if self.last {
                    return Ok(());
                }
                self.next_chunk()?;
                continue;
            }
            let part = rest.len().min(bytes - to.len());
            to.extend(rest.iter().take(part));
            self.at += part;
        }
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<(), ArchiveError> {
        let (_, last) = read_chunk(&mut self.input, &mut self.chunk)?;
        if let Some(key) = &self.key {
            let place = place(&self.preamble, self.chunks, last);
            // The checksum holds, so that the key is another.
            let plain = key.open(&place, &self.chunk);
            self.chunk = plain.map_err(|_| ArchiveError::WrongPassphrase)?;
        }
        (self.last, self.at) = (last, 0);
        self.chunks += 1;
        Ok(())
    }
}

/// Reads a chunk; says what stood before it, and whether it is the last one.
fn read_chunk(input: &mut impl Read, chunk: &mut Vec<u8>) -> Result<([u8; 4], bool), ArchiveError> {
    let mut length = [0; 4];
    read_all(input, &mut length)?;
    let number = u32::from_le_bytes(length);
    let bytes = (number & !LAST) as usize;
    if bytes > CHUNK_BYTES + SEAL_OVERHEAD_BYTES {
        return Err(ArchiveError::Altered);
    }
    chunk.clear();
    chunk.resize(bytes, 0);
    read_all(input, chunk)?;
    Ok((length, number & LAST != 0))
}

fn read_all(input: &mut impl Read, to: &mut [u8]) -> Result<(), ArchiveError> {
    if read_some(input, to)? < to.len() {
        return Err(ArchiveError::Truncated);
    }
    Ok(())
}

/// Reads until `to` is full or there is no more, and says how much there was.
fn read_some(input: &mut impl Read, to: &mut [u8]) -> Result<usize, ArchiveError> {
    let mut length = 0;
    while let Some(rest) = to.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(preamble: &Preamble) -> Option<ContentKey> {
        // Stretching a passphrase for every case would take too long.
        preamble.lock.map(|(_, salt)| {
            let [first, ..] = salt;
            ContentKey::from_bytes([first; 32])
        })
    }

    fn write(records: &[Vec<u8>], salt: Option<[u8; 16]>) -> Vec<u8> {
        let preamble = Preamble::new(salt);
        let key = key(&preamble);
        let mut writer = Writer::begin(Vec::new(), &preamble, key).unwrap();
        for record in records {
            writer.record(record).unwrap();
        }
        writer.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ArchiveError> {
        let preamble = check(&mut &*bytes)?;
        let mut reader = Reader::begin(bytes, key(&preamble))?;
        let mut records = Vec::new();
        while let Some(record) = reader.record()? {
            records.push(record);
        }
        Ok(records)
    }

    fn records() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let lengths = prop_oneof![4 => 0..200_usize, 1 => 60_000..70_000_usize];
        let record = (any::<u8>(), lengths).prop_map(|(byte, length)| vec![byte; length]);
        prop::collection::vec(record, 0..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_was_written_is_read(records in records(), salt: Option<[u8; 16]>) {
            prop_assert_eq!(read(&write(&records, salt)), Ok(records));
        }

        #[test]
        fn any_cut_and_any_altered_bit_is_refused(
            records in records(),
            salt: Option<[u8; 16]>,
            at: prop::sample::Index,
            bit in 0..8_u8,
        ) {
            let bytes = write(&records, salt);
            let at = at.index(bytes.len());
            prop_assert!(read(&bytes[..at]).is_err());
            let mut altered = bytes.clone();
            altered[at] ^= 1 << bit;
            prop_assert!(read(&altered).is_err());
            let longer = [&bytes[..], &[0]].concat();
            prop_assert_eq!(read(&longer), Err(ArchiveError::Altered));
        }

        #[test]
        fn anything_at_all_is_refused_without_harm(bytes: Vec<u8>) {
            prop_assert!(read(&bytes).is_err());
            prop_assert!(read(&[&MAGIC[..], &[FORMAT, 0], &bytes].concat()).is_err());
        }
    }

    #[test]
    fn every_cut_and_every_byte_of_a_small_archive() {
        for salt in [None, Some([7; 16])] {
            let bytes = write(&[b"one".to_vec(), b"two".to_vec()], salt);
            for at in 0..bytes.len() {
                assert!(read(&bytes[..at]).is_err(), "cut at {at}");
                let mut altered = bytes.clone();
                altered[at] ^= 0x40;
                assert!(read(&altered).is_err(), "altered at {at}");
            }
        }
    }

    /// Also by somebody who makes the checksum fit.
    #[test]
    fn sealed_chunks_cannot_be_exchanged_or_left_out() {
        let salt = Some([9; 16]);
        let records = vec![vec![1; 70_000], vec![2; 70_000]];
        let bytes = write(&records, salt);
        let head = Preamble::new(salt).encode().len();
        let chunk = 4 + CHUNK_BYTES + SEAL_OVERHEAD_BYTES;
        let (preamble, rest) = bytes.split_at(head);
        let (first, rest) = rest.split_at(chunk);
        let (second, rest) = rest.split_at(chunk);
        let last = &rest[..rest.len() - CHECKSUM_BYTES];
        let with = |chunks: &[&[u8]]| {
            let mut bytes = [preamble, &chunks.concat()].concat();
            let checksum = Hasher::new(HashDomain::Archive).update(&bytes).finish();
            bytes.extend(checksum);
            read(&bytes)
        };
        assert_eq!(with(&[first, second, last]), Ok(records));
        let mut ends = second.to_vec();
        ends[3] |= 0x80;
        for chunks in [
            &[second, first, last][..],
            &[first, last],
            &[first, &ends],
            &[second, last],
        ] {
            assert_eq!(with(chunks), Err(ArchiveError::WrongPassphrase));
        }
    }

    #[test]
    fn what_is_no_archive_is_told_from_what_is_damaged() {
        assert_eq!(read(b""), Err(ArchiveError::Empty));
        assert_eq!(read(b"PK\x03\x04"), Err(ArchiveError::NotAnArchive));
        assert_eq!(
            read(b"{\"id\": 1, \"type\": 2}"),
            Err(ArchiveError::NotAnArchive)
        );
        assert_eq!(read(MAGIC), Err(ArchiveError::Truncated));
        let newer = [&MAGIC[..], &[FORMAT + 1, 9, 9, 9]].concat();
        let (found, known) = (FORMAT + 1, FORMAT);
        assert_eq!(read(&newer), Err(ArchiveError::Newer { found, known }));
    }

    #[test]
    fn a_passphrase_is_asked_for_and_a_wrong_one_refused() {
        let preamble = Preamble {
            lock: Some((
                Argon2Params {
                    memory_kib: 64,
                    passes: 1,
                    lanes: 1,
                },
                [3; 16],
            )),
        };
        let key = preamble.unlock(Some("right")).unwrap();
        let mut writer = Writer::begin(Vec::new(), &preamble, key).unwrap();
        writer.record(b"secret").unwrap();
        let bytes = writer.finish().unwrap();
        let found = check(&mut &*bytes).unwrap();
        assert_eq!(found, preamble);
        assert_eq!(found.unlock(None), Err(ArchiveError::NeedsPassphrase));
        let read = |passphrase| {
            let key = found.unlock(Some(passphrase)).unwrap();
            Reader::begin(&*bytes, key).unwrap().record()
        };
        assert_eq!(read("right"), Ok(Some(b"secret".to_vec())));
        assert_eq!(read("wrong"), Err(ArchiveError::WrongPassphrase));
    }
}
