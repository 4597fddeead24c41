//! `dx import`: records of a file become objects.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use dxos_client::{Space, Transaction, TypeName};
use indicatif::ProgressBar;
use serde_json::json;

use crate::arguments::ImportOptions;
use crate::output::Output;
use crate::records::{self, BadRecord, Record};
use crate::session::{Session, end, find_space};

/// Objects in one transaction, if they are small.
const BATCH_OBJECTS_MAX: usize = 1000;
/// About how many bytes a transaction may have; a block holds 768 KiB.
const BATCH_BYTES_MAX: usize = records::RECORD_BYTES_MAX;
/// Bad records that are shown one by one.
const SHOWN_MAX: u64 = 20;

/// What an import did.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Imported {
    pub(crate) objects: u64,
    pub(crate) skipped: u64,
}

pub(crate) async fn run(session: &Session, options: &ImportOptions, output: Output) -> Result<()> {
    let what = || format!("cannot read {}", options.file.display());
    let standard = options.file == Path::new("-");
    let (input, length): (Box<dyn Read>, u64) = if standard {
        (Box::new(std::io::stdin()), 0)
    } else {
        let file = File::open(&options.file).with_context(what)?;
        let about = file.metadata().with_context(what)?;
        if about.is_dir() {
            bail!("{} is a directory; name a file", options.file.display());
        }
        (Box::new(file), about.len())
    };
    let bar = output.bar(length);
    let input: Box<dyn BufRead> = Box::new(BufReader::new(bar.wrap_read(input)));
    let records = records::read(input, &options.file, options.format).with_context(what)?;
    let client = if options.online {
        session.online().await?
    } else {
        session.local().await?
    };
    let imported = async {
        let space = find_space(&client, &options.space).await?;
        let mut import = Import {
            space,
            options,
            output,
            bar: &bar,
            done: Imported::default(),
        };
        import.all(records).await
    };
    let imported = imported.await;
    bar.finish_and_clear();
    end(&client).await?;
    let imported = imported?;
    output.result(&json!(imported), || match imported.skipped {
        0 => format!("{} objects imported", imported.objects),
        skipped => format!(
            "{} objects imported, {skipped} bad records left out",
            imported.objects
        ),
    });
    Ok(())
}

struct Import<'a> {
    space: Space,
    options: &'a ImportOptions,
    output: Output,
    bar: &'a ProgressBar,
    done: Imported,
}

impl Import<'_> {
    async fn all(
        &mut self,
        records: impl Iterator<Item = Result<Result<Record, BadRecord>>>,
    ) -> Result<Imported> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for record in records {
            let what = || format!("cannot read {}", self.options.file.display());
            match record.with_context(what)? {
                Ok(record) => {
                    let size = records::size(&record.properties);
                    if batch.len() >= BATCH_OBJECTS_MAX || bytes + size > BATCH_BYTES_MAX {
                        self.write(std::mem::take(&mut batch)).await?;
                        bytes = 0;
                    }
                    bytes += size;
                    batch.push(record);
                }
                Err(bad) => self.bad(&bad)?,
            }
        }
        if !batch.is_empty() {
            self.write(batch).await?;
        }
        // Acknowledged means on the disk.
        self.space.db().flush().await?;
        Ok(self.done)
    }

    fn bad(&mut self, bad: &BadRecord) -> Result<()> {
        let BadRecord { line, reason } = bad;
        let text = format!("{}, line {line}: {reason}", self.options.file.display());
        if !self.options.skip_bad {
            bail!(
                "{text}; {} objects of the records before it were imported; correct it, or use \
                 --skip-bad to leave bad records out",
                self.done.objects
            );
        }
        self.done.skipped += 1;
        if self.done.skipped <= SHOWN_MAX {
            self.bar
                .suspend(|| self.output.note(&format!("left out: {text}")));
        }
        Ok(())
    }

    async fn write(&mut self, batch: Vec<Record>) -> Result<()> {
        let count = batch.len() as u64;
        let type_name = TypeName::from(self.options.type_name.as_str());
        let mut transaction = Transaction::new();
        for record in batch {
            let (object, type_name) = match record.exported {
                Some(exported) => exported,
                None => (self.space.db().new_id()?, type_name.clone()),
            };
            transaction = transaction.create(object, type_name, record.properties);
        }
        self.space.db().commit(transaction).await?;
        self.done.objects += count;
        if self.options.events {
            let json = json!({ "event": "acknowledged", "objects": self.done.objects });
            let text = format!("{} objects acknowledged", self.done.objects);
            self.bar.suspend(|| self.output.event(&json, &text));
        }
        self.bar
            .set_message(format!("{} objects", self.done.objects));
        Ok(())
    }
}
