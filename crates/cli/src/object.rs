//! `dx object`: one object, or a few, from the command line.

mod find;
mod history;
mod show;
mod write;

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand};
use dxos_client::{Client, Database, Object, ObjectId};
use serde_json::Value as Json;

use crate::output::Output;
use crate::session::{Session, end, find_space};

pub(crate) use find::{find_object, find_objects};

#[derive(Debug, Subcommand)]
pub(crate) enum ObjectCommand {
    /// Delete objects: all of them, or none. They keep what they have, for `dx object undelete`
    Delete(ObjectNames),
    /// Show who changed an object, when, and what they did to it, the newest first
    History {
        #[command(flatten)]
        object: ObjectName,
        /// At most so many changes
        #[arg(long, value_name = "CHANGES", default_value_t = 50)]
        limit: usize,
    },
    /// Create an object, and print its id
    Put(PutOptions),
    /// Show an object with all that is known of it
    Show(ObjectName),
    /// Bring deleted objects back: all of them, or none
    Undelete(ObjectNames),
    /// Change properties of an object; what is not named stays as it is
    Update(UpdateOptions),
}

#[derive(Debug, Args)]
pub(crate) struct ObjectName {
    /// The space: its key, the beginning of its key, or its name
    space: String,
    /// The id of the object, or the end of it, as `dx query` shows it
    #[arg(value_name = "ID")]
    object: String,
}

#[derive(Debug, Args)]
pub(crate) struct ObjectNames {
    /// The space: its key, the beginning of its key, or its name
    space: String,
    /// The ids of the objects, or the ends of them, as `dx query` shows them
    #[arg(value_name = "ID", required = true)]
    objects: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PutOptions {
    /// The space: its key, the beginning of its key, or its name
    space: String,
    /// Its properties as a JSON object, or - to read that from standard input. {"@time":
    /// milliseconds}, {"@ref": "ID"}, {"@text": "…"}, {"@counter": 0}, {"@set": […]} and
    /// {"@bytes": "base64"} are what JSON has no word for
    #[arg(value_name = "JSON", default_value = "{}")]
    properties: String,
    /// Its type; TYPE@VERSION where the type has versions
    #[arg(long = "type", value_name = "TYPE")]
    type_name: String,
    /// A tag. May be given more than once
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
}

impl PutOptions {
    /// Where the properties are, unless they are given.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        (self.properties == "-").then(|| PathBuf::from("-"))
    }
}

#[derive(Debug, Args)]
pub(crate) struct UpdateOptions {
    #[command(flatten)]
    object: ObjectName,
    /// What properties are to be: title='Water it' done=true place.city=Riga. A value is JSON, and
    /// else text as it is; "in quotes" it is text whatever it looks like. Where there is a text
    /// that many type into, a counter or a time, it stays one: due=2026-12-01. A dot leads into a
    /// map, and has a backslash before it in a name, as has an equals sign
    #[arg(
        value_name = "PROPERTY=VALUE",
        required_unless_present_any = ["unset", "tag", "untag"]
    )]
    assignments: Vec<String>,
    /// Take a property out. May be given more than once
    #[arg(long, value_name = "PROPERTY")]
    unset: Vec<String>,
    /// Put a tag onto it. May be given more than once
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Take a tag off it. May be given more than once
    #[arg(long, value_name = "TAG")]
    untag: Vec<String>,
}

pub(crate) async fn run(session: &Session, command: ObjectCommand, output: Output) -> Result<()> {
    // What cannot be read needs no profile.
    let given = match &command {
        ObjectCommand::Put(options) => Some(write::properties(&options.properties).await?),
        _ => None,
    };
    let client = session.local().await?;
    let answered = answer(&client, command, given).await;
    end(&client).await?;
    let (json, text) = answered?;
    output.result(&json, || text);
    Ok(())
}

type Answer = (Json, String);

async fn answer(
    client: &Client,
    command: ObjectCommand,
    given: Option<dxos_client::Map>,
) -> Result<Answer> {
    match command {
        ObjectCommand::Delete(names) => {
            let db = find_space(client, &names.space).await?.db();
            write::delete(&db, &names.objects).await
        }
        ObjectCommand::History { object, limit } => {
            let (db, object) = find(client, &object).await?;
            history::answer(&db, object.id(), limit).await
        }
        ObjectCommand::Put(options) => {
            let db = find_space(client, &options.space).await?.db();
            write::create(&db, options, given.unwrap_or_default()).await
        }
        ObjectCommand::Show(object) => {
            let (db, object) = find(client, &object).await?;
            show::answer(&db, &object).await
        }
        ObjectCommand::Undelete(names) => {
            let db = find_space(client, &names.space).await?.db();
            write::undelete(&db, &names.objects).await
        }
        ObjectCommand::Update(options) => {
            let (db, object) = find(client, &options.object).await?;
            write::update(&db, &object, &options).await
        }
    }
}

async fn find(client: &Client, named: &ObjectName) -> Result<(Database, Object)> {
    let db = find_space(client, &named.space).await?.db();
    let id = find_object(&db, &named.object).await?;
    let object = existing(&db, id).await?;
    Ok((db, object))
}

/// An object that is here, deleted or not.
async fn existing(db: &Database, id: ObjectId) -> Result<Object> {
    let found = db.get(id).await?;
    found.ok_or_else(|| anyhow!("there is no object {id} in this space, or it has not arrived"))
}

/// Splits an assignment at the first equals sign without a backslash before it.
fn assignment(text: &str) -> Result<(&str, &str)> {
    let mut is_escaped = false;
    for (place, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '=' if place > 0 => {
                let (path, value) = text.split_at(place);
                return Ok((path, value.get(1..).unwrap_or_default()));
            }
            '=' => break,
            _ => {}
        }
    }
    bail!("{text:?} says not what is to be what; give PROPERTY=VALUE, such as done=true")
}
