//! Editing traces as they are published: JSON, often gzipped, of one author or of several.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use flate2::read::MultiGzDecoder;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// Bytes of JSON in one trace, unpacked: 1 GiB.
const JSON_BYTES_MAX: u64 = 1 << 30;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A text's whole history, as it was recorded.
#[derive(Debug, Deserialize)]
pub(crate) struct Trace {
    #[serde(default, rename = "startContent")]
    pub(crate) start: String,
    #[serde(rename = "endContent")]
    pub(crate) end: String,
    /// Says `concurrent` where it is; others say nothing, or something else.
    #[serde(default)]
    kind: serde_json::Value,
    #[serde(rename = "txns", deserialize_with = "numbered")]
    pub(crate) transactions: Vec<Recorded>,
}

/// What was typed at once.
#[derive(Debug, Deserialize)]
pub(crate) struct Recorded {
    /// Applied one after the other.
    pub(crate) patches: Vec<Patch>,
    /// The numbers of the transactions that its author had seen last.
    #[serde(default)]
    pub(crate) parents: Option<Vec<u32>>,
    /// Who typed it.
    #[serde(default)]
    pub(crate) agent: Option<u64>,
}

/// Characters taken out and put in. Positions count Unicode scalar values.
#[derive(Debug, Deserialize)]
pub(crate) struct Patch(pub(crate) u32, pub(crate) u32, pub(crate) Box<str>);

/// What kind of trace it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// One author.
    Sequential,
    /// Several authors, each with what it had seen.
    Concurrent,
}

impl Trace {
    pub(crate) fn kind(&self) -> Kind {
        let named = self.kind == "concurrent";
        if named || self.transactions.iter().any(|t| t.parents.is_some()) {
            Kind::Concurrent
        } else {
            Kind::Sequential
        }
    }

    /// How many edits it has.
    pub(crate) fn edits(&self) -> u64 {
        self.transactions
            .iter()
            .map(|t| t.patches.len() as u64)
            .sum()
    }
}

/// Reads a trace, gzipped or not, as its content tells.
pub(crate) fn read(path: &Path) -> Result<Trace> {
    let what = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(what)?;
    if file.metadata().with_context(what)?.is_dir() {
        bail!("{} is a directory; name a file", path.display());
    }
    let bytes = unpacked(BufReader::new(file), JSON_BYTES_MAX).with_context(what)?;
    parse(&bytes).with_context(|| format!("{} is not an editing trace", path.display()))
}

fn unpacked(mut input: impl Read, max: u64) -> Result<Vec<u8>> {
    let mut magic = Vec::new();
    input.by_ref().take(2).read_to_end(&mut magic)?;
    let packed = magic == GZIP_MAGIC;
    let input = std::io::Cursor::new(magic).chain(input);
    let mut bytes = Vec::new();
    if packed {
        let mut input = MultiGzDecoder::new(input).take(max.saturating_add(1));
        input
            .read_to_end(&mut bytes)
            .map_err(|error| anyhow!("the gzip data are damaged or cut short: {error}"))?;
    } else {
        input.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > max {
        bail!("it has more than {max} bytes of JSON, the most that is read; cut the trace");
    }
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Trace> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    Ok(serde_json::from_slice(bytes)?)
}

/// Reads the transactions so that errors name the one that is wrong.
fn numbered<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Recorded>, D::Error> {
    struct Transactions;

    impl<'de> Visitor<'de> for Transactions {
        type Value = Vec<Recorded>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list of transactions")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut read = Vec::new();
            loop {
                match list.next_element() {
                    Ok(Some(transaction)) => read.push(transaction),
                    Ok(None) => return Ok(read),
                    Err(error) => {
                        let number = read.len();
                        return Err(A::Error::custom(format!("transaction {number}: {error}")));
                    }
                }
            }
        }
    }

    deserializer.deserialize_seq(Transactions)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_is_packed_shows_by_its_content_and_is_bounded() {
        let text = "x".repeat(5000);
        for bytes in [text.as_bytes().to_vec(), gzip(text.as_bytes())] {
            assert_eq!(unpacked(&*bytes, 5000).unwrap(), text.as_bytes());
            let error = unpacked(&*bytes, 4999).unwrap_err().to_string();
            assert!(error.contains("4999"), "{error}");
        }
        let packed = gzip(text.as_bytes());
        for cut in 2..packed.len() {
            let error = unpacked(&packed[..cut], 5000).unwrap_err().to_string();
            assert!(error.contains("gzip"), "{cut}: {error}");
        }
        assert_eq!(unpacked(&b""[..], 5000).unwrap(), b"");
    }

    #[test]
    fn an_error_names_the_transaction() {
        for (wrong, says) in [
            (r#"{"patches":[[0,-1,""]]}"#, "-1"),
            (r#"{"patches":[[0,0]]}"#, "invalid length 2"),
            (r#"{"patches":[[0,0,7]]}"#, "string"),
            (r#"{"patches":[[5000000000,0,""]]}"#, "5000000000"),
            (r#"{"patches":null}"#, "null"),
            (r#"{"parents":[]}"#, "patches"),
            (r#"{"patches":[],"parents":[-1]}"#, "-1"),
            (r#"{"patches":[],"parents":[],"agent":"a"}"#, "\"a\""),
        ] {
            let json = format!(r#"{{"endContent":"","txns":[{{"patches":[]}},{wrong}]}}"#);
            let error = parse(json.as_bytes()).unwrap_err().to_string();
            assert!(
                error.contains("transaction 1:") && error.contains(says),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_not_known_is_left_alone() {
        let json = "\u{feff}{\"using\":1,\"endContent\":\"\",\"kind\":[[]],\"numAgents\":3,
            \"txns\":[{\"time\":\"x\",\"more\":{},\"patches\":[]}]}";
        let trace = parse(json.as_bytes()).unwrap();
        assert_eq!((trace.kind(), trace.edits()), (Kind::Sequential, 0));
    }
}
