//! A table becomes JSON Lines, one record at a time, and bad rows are told with their lines.
//!
//! `cargo run -p dxos-records --example convert`

#![allow(clippy::print_stdout, reason = "an example shows something")]

use dxos_document::Value;
use dxos_records::{Format, read};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = "title,size\r\nKüche,12\r\nBad row\r\n\"Bad, neu\",4.5\r\n";
    for record in read(file.as_bytes(), Format::Csv)? {
        match record?.content {
            Ok(content) => println!("{}", Value::Map(content.properties).to_json()),
            Err(bad) => println!("left out: {bad}"),
        }
    }
    Ok(())
}
