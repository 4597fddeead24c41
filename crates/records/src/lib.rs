//! Records of files as objects, and objects as records: JSON, JSON Lines and CSV.
//!
//! Records are read one at a time, each with the line that it begins on, and written one at a
//! time: a file of any size takes the memory of one record. One that cannot be read does not
//! take the others with it.
//!
//! What it is not: it opens no file and writes no object; `dxos-client` does both with it.
//!
//! ```
//! use dxos_records::{Format, read};
//!
//! let file = "title,done\r\n\"Küche, neu\",true\r\n";
//! let mut records = read(file.as_bytes(), Format::Csv)?;
//! let record = records.next().unwrap()?;
//! assert_eq!(record.line, 2);
//! assert_eq!(record.content.unwrap().properties["done"], true.into());
//! # Ok::<(), dxos_records::ReadError>(())
//! ```

mod format;
mod read;
mod write;

pub use format::{Format, ParseFormatError};
pub use read::{
    BadRecord, Content, Exported, Placed, RECORD_BYTES_MAX, ReadError, Records, TEXT_BYTES_MAX,
    number_out_of_range, property_size, read, read_with, size,
};
pub use write::{COLUMNS_MAX, Columns, WriteError, Writer};
