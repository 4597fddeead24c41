//! `dx schema`: what objects of a type are like, and the indexes of their properties.

mod input;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::{Args, Subcommand};
use dxos_client::{Client, Database, IndexDeclaration, IndexReport, Path, TypeName, TypeSchema};
use serde_json::{Value as Json, json};

use crate::output::{Output, printable, table};
use crate::session::{Session, end, find_space};

/// How often it is looked how far an index is.
const LOOK: Duration = Duration::from_millis(50);
/// How long an index may be missing, with all others built, until it counts as left out.
const LEFT_OUT: Duration = Duration::from_secs(10);
/// Names of properties that a table shows.
const NAMES_MAX: usize = 12;

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Keep the objects of a type in the order of a property, or the words of its texts, so that
    /// queries need not read all of them; waits until that is built. A type without a schema gets
    /// one that allows everything
    Index(IndexOptions),
    /// List the schemas of a space, and the indexes that they declare
    List {
        /// The space: its key, the beginning of its key, or its name
        space: String,
    },
    /// Write a schema into a space, in place of the one that it has for the type and version.
    /// What is written from then on has to fit it; objects that are there are not checked
    Put(PutOptions),
    /// Print a schema as JSON, as `dx schema put` takes it
    Show {
        /// The space: its key, the beginning of its key, or its name
        space: String,
        /// The type; with its version, TYPE@VERSION, where there are several
        #[arg(value_name = "TYPE")]
        type_name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct IndexOptions {
    /// The space: its key, the beginning of its key, or its name
    space: String,
    /// The type; the index is of its objects of every version
    #[arg(value_name = "TYPE")]
    type_name: String,
    /// The property, such as due or place.city; with --words it may be left out, for all texts
    #[arg(required_unless_present = "words")]
    property: Option<String>,
    /// Index the words of the texts, for text:WORDS and PROPERTY~~WORDS
    #[arg(long)]
    words: bool,
    /// Remove the index instead
    #[arg(long)]
    remove: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PutOptions {
    /// The space: its key, the beginning of its key, or its name
    space: String,
    /// The file, or - for standard input: what `dx schema show` prints, {"type": ..., "schema":
    /// ...}, or a list of such. A property with "x-echo-index": true is indexed, and with
    /// "x-echo-text": true the words of its texts, or at the top of the schema those of all texts
    pub(crate) file: PathBuf,
    /// Take the file for a JSON Schema alone, of this type; with its version, TYPE@VERSION, where
    /// objects have one
    #[arg(long = "type", value_name = "TYPE")]
    type_name: Option<String>,
}

pub(crate) async fn run(session: &Session, command: SchemaCommand, output: Output) -> Result<()> {
    // What cannot be read needs no profile.
    let given = match &command {
        SchemaCommand::Put(options) => {
            input::schemas(&options.file, options.type_name.as_deref()).await?
        }
        _ => Vec::new(),
    };
    let client = session.local().await?;
    let answered = answer(&client, command, given, output).await;
    end(&client).await?;
    let (json, text) = answered?;
    output.result(&json, || text);
    Ok(())
}

async fn answer(
    client: &Client,
    command: SchemaCommand,
    given: Vec<TypeSchema>,
    output: Output,
) -> Result<(Json, String)> {
    match command {
        SchemaCommand::Index(options) => {
            let db = find_space(client, &options.space).await?.db();
            let named = Named::find(&db, &options).await?;
            if options.remove {
                remove_index(&db, named, output).await
            } else {
                add_index(&db, named, output).await
            }
        }
        SchemaCommand::List { space } => {
            let schemas = find_space(client, &space).await?.db().schemas().await?;
            let json = schemas.iter().map(schema_json).collect();
            Ok((json, list_text(&schemas)))
        }
        SchemaCommand::Put(options) => {
            let db = find_space(client, &options.space).await?.db();
            put(&db, given, output).await
        }
        SchemaCommand::Show { space, type_name } => {
            let db = find_space(client, &space).await?.db();
            let json = schema_json(&find(&db, &type_name).await?);
            let text = format!("{json:#}");
            Ok((json, text))
        }
    }
}

fn schema_json(schema: &TypeSchema) -> Json {
    json!({ "type": schema.type_name().as_str(), "schema": schema.schema() })
}

/// The schema that a user means: of a type with its version, or of one that has one version.
async fn find(db: &Database, wanted: &str) -> Result<TypeSchema> {
    let schemas = db.schemas().await?;
    let name = |schema: &TypeSchema| schema.type_name().as_str().to_owned();
    if let Some(exact) = schemas.iter().find(|schema| name(schema) == wanted) {
        return Ok(exact.clone());
    }
    let found = schemas.iter();
    let found: Vec<_> = found
        .filter(|schema| schema.type_name().base() == wanted)
        .collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => bail!(
            "there is no schema of {wanted:?} in this space; `dx schema list SPACE` shows all"
        ),
        several => {
            let names: Vec<_> = several.iter().map(|schema| name(schema)).collect();
            bail!(
                "there are {} schemas of {wanted:?}; say which: {}",
                names.len(),
                names.join(", ")
            )
        }
    }
}

/// The schemas of a type in all its versions.
async fn versions(db: &Database, type_name: &TypeName) -> Result<Vec<TypeSchema>> {
    let mut schemas = db.schemas().await?;
    schemas.retain(|schema| schema.type_name().base() == type_name.base());
    Ok(schemas)
}

impl IndexOptions {
    fn declaration(&self) -> Result<IndexDeclaration> {
        ensure!(!self.type_name.is_empty(), "the type has no name");
        if let Some(property) = &self.property {
            let path = Path::from(property.as_str());
            let is_named = path.parts().iter().all(|part| !part.as_str().is_empty());
            ensure!(
                is_named,
                "{property:?} is no property, such as due or place.city"
            );
        }
        Ok(match (&self.property, self.words) {
            (Some(property), _) if property.starts_with('@') => bail!(
                "{property} is known of every object and is indexed already where queries ask \
                 for it; name a property"
            ),
            (Some(property), false) => IndexDeclaration::Order(property.as_str().into()),
            (Some(property), true) => IndexDeclaration::WordsAt(property.as_str().into()),
            (None, _) => IndexDeclaration::Words,
        })
    }
}

/// An index as it was named, and what is there of its type.
struct Named {
    index: IndexDeclaration,
    name: String,
    type_name: TypeName,
    versions: Vec<TypeSchema>,
}

impl Named {
    async fn find(db: &Database, options: &IndexOptions) -> Result<Self> {
        let index = options.declaration()?;
        let type_name = TypeName::from(options.type_name.as_str());
        Ok(Self {
            name: index.name(type_name.base()),
            versions: versions(db, &type_name).await?,
            index,
            type_name,
        })
    }
}

async fn add_index(db: &Database, named: Named, output: Output) -> Result<(Json, String)> {
    let Named {
        index,
        name,
        type_name,
        versions,
    } = named;
    if !versions
        .iter()
        .any(|schema| schema.declared().contains(&index))
    {
        // One version is enough: what they declare is kept of the objects of all.
        let exact = versions
            .iter()
            .find(|schema| *schema.type_name() == type_name);
        let schema = match exact.or(versions.last()) {
            Some(schema) => schema.clone(),
            None => TypeSchema::new(type_name, json!({ "type": "object" }))?,
        };
        let schema = schema.with_index(&index)?;
        check_room(db, std::slice::from_ref(&schema)).await?;
        db.put_schema(schema).await?;
    }
    let objects = wait_until_built(db, &BTreeSet::from([name.clone()]), output).await?;
    let json = json!({ "index": name, "objects": objects });
    Ok((json, format!("index {} is built", printable(&name))))
}

async fn remove_index(db: &Database, named: Named, output: Output) -> Result<(Json, String)> {
    let Named { index, name, .. } = named;
    let declaring = named.versions.iter();
    let declaring = declaring.filter(|schema| schema.declared().contains(&index));
    let changed: Vec<_> = declaring
        .map(|schema| schema.without_index(&index))
        .collect();
    if changed.is_empty() {
        bail!("no schema declares an index {name:?}; `dx schema list SPACE` shows all");
    }
    for schema in changed {
        db.put_schema(schema).await?;
    }
    while db.indexes().await?.iter().any(|report| report.name == name) {
        tokio::time::sleep(LOOK).await;
    }
    let text = format!("index {} is removed", printable(&name));
    output.note("what asked for it reads all objects of the type from now on");
    Ok((json!({ "removed": name }), text))
}

async fn put(db: &Database, schemas: Vec<TypeSchema>, output: Output) -> Result<(Json, String)> {
    let mut names = BTreeSet::new();
    let mut lines = Vec::new();
    let mut put = Vec::new();
    check_room(db, &schemas).await?;
    for schema in schemas {
        let base = schema.type_name().base();
        let declared = schema.declared();
        names.extend(declared.iter().map(|index| index.name(base)));
        let indexes: Vec<_> = declared.iter().map(ToString::to_string).collect();
        let type_name = schema.type_name().to_string();
        let indexed = match indexes.as_slice() {
            [] => "no index".to_owned(),
            indexes => format!("indexed by {}", indexes.join(", ")),
        };
        let unchecked = schema.unchecked();
        if !unchecked.is_empty() {
            let keywords = printable(&unchecked.join(", "));
            output.note(&format!(
                "nothing is checked by these keywords of {}: {keywords}",
                printable(&type_name)
            ));
        }
        lines.push(printable(&format!("{type_name} has its schema, {indexed}")));
        put.push(json!({ "type": type_name, "indexes": indexes }));
        db.put_schema(schema).await?;
    }
    wait_until_built(db, &names, output).await?;
    Ok((Json::from(put), lines.join("\n")))
}

/// Refuses schemas with which a space would have more indexes than it keeps: which ones it leaves
/// out then, nobody chooses.
async fn check_room(db: &Database, schemas: &[TypeSchema]) -> Result<()> {
    let names = |schema: &TypeSchema| {
        let base = schema.type_name().base().to_owned();
        let declared = schema.declared().into_iter();
        declared
            .map(|index| index.name(&base))
            .collect::<Vec<String>>()
    };
    let mut kept = db.schemas().await?;
    let before: BTreeSet<_> = kept.iter().flat_map(names).collect();
    let is_replaced = |old: &TypeSchema| {
        let mut new = schemas.iter();
        new.any(|new| new.type_name() == old.type_name())
    };
    kept.retain(|schema| !is_replaced(schema));
    let after: BTreeSet<_> = kept.iter().chain(schemas).flat_map(names).collect();
    let max = IndexDeclaration::SPACE_MAX;
    if after.len() > max.max(before.len()) {
        bail!(
            "the schemas of this space would declare {} indexes, and a space keeps {max}; remove \
             some with `dx schema index ... --remove` first",
            after.len()
        );
    }
    Ok(())
}

/// Waits until indexes are built, and returns how many objects they are of.
async fn wait_until_built(db: &Database, names: &BTreeSet<String>, output: Output) -> Result<u64> {
    let bar = output.count_bar(0);
    let mut missing_for = Duration::ZERO;
    loop {
        let reports = db.indexes().await?;
        let wanted = |report: &&IndexReport| names.contains(&report.name);
        let found: Vec<_> = reports.iter().filter(wanted).collect();
        let is_complete = found.len() == names.len();
        if is_complete && found.iter().all(|report| report.is_ready) {
            bar.finish_and_clear();
            return Ok(found.iter().map(|report| report.objects).max().unwrap_or(0));
        }
        if let Some(report) = found.iter().find(|report| !report.is_ready) {
            bar.set_length(report.objects);
            bar.set_position(report.done);
        } else {
            missing_for += LOOK;
        }
        if !is_complete && missing_for >= LEFT_OUT {
            let built = found.iter().map(|report| report.name.as_str());
            let built: BTreeSet<_> = built.collect();
            let left_out = names.iter().filter(|name| !built.contains(name.as_str()));
            let left_out: Vec<_> = left_out.map(String::as_str).collect();
            bail!(
                "the schema is written, but this space does not build {}, as it keeps no more \
                 than {} indexes; `dx schema list SPACE` shows them",
                left_out.join(", "),
                IndexDeclaration::SPACE_MAX
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn list_text(schemas: &[TypeSchema]) -> String {
    if schemas.is_empty() {
        return "no schemas: objects of any type may have any properties; `dx schema put` and \
                `dx schema index` write one"
            .to_owned();
    }
    let rows = schemas.iter().map(|schema| {
        let declared = schema.declared();
        let indexes: Vec<_> = declared.iter().map(ToString::to_string).collect();
        vec![
            schema.type_name().to_string(),
            properties_text(schema),
            indexes.join(", "),
        ]
    });
    table(&["type", "properties", "indexes"], rows)
}

fn properties_text(schema: &TypeSchema) -> String {
    let properties = schema.schema().get("properties").and_then(Json::as_object);
    let Some(properties) = properties else {
        return String::new();
    };
    let names = properties.keys().take(NAMES_MAX).map(String::as_str);
    let mut names: Vec<_> = names.collect();
    if properties.len() > NAMES_MAX {
        names.push("…");
    }
    names.join(", ")
}
