//! Schemas that somebody wrote into a file.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use dxos_client::TypeSchema;
use serde_json::Value as Json;

use crate::input::read;

/// Reads the schemas of a file: with their types, or one alone, whose type is given.
pub(super) async fn schemas(file: &Path, type_name: Option<&str>) -> Result<Vec<TypeSchema>> {
    let (text, name) = read(file).await?;
    let json: Json = serde_json::from_str(&text).with_context(|| format!("{name} is no JSON"))?;
    of_json(json, type_name).with_context(|| format!("{name} holds no schema"))
}

fn of_json(json: Json, type_name: Option<&str>) -> Result<Vec<TypeSchema>> {
    if let Some(type_name) = type_name {
        return Ok(vec![checked(type_name, json)?]);
    }
    match json {
        Json::Array(several) if !several.is_empty() => several.into_iter().map(with_type).collect(),
        json => Ok(vec![with_type(json)?]),
    }
}

/// A schema beside its type.
fn with_type(json: Json) -> Result<TypeSchema> {
    let wanted = "give {\"type\": \"TYPE\", \"schema\": {...}} as `dx schema show` prints it, or \
                  a JSON Schema with --type TYPE";
    let Json::Object(mut fields) = json else {
        bail!("{json} stands where there should be a JSON object; {wanted}");
    };
    let schema = fields.remove("schema");
    let type_name = fields.remove("type");
    let (Some(schema), Some(Json::String(type_name))) = (schema, type_name) else {
        bail!("a text \"type\" or a \"schema\" is missing; {wanted}");
    };
    if let Some(unknown) = fields.keys().next() {
        bail!("{unknown:?} is unknown beside \"type\" and \"schema\"; {wanted}");
    }
    checked(&type_name, schema)
}

fn checked(type_name: &str, schema: Json) -> Result<TypeSchema> {
    ensure!(!type_name.is_empty(), "the type has no name");
    let schema = TypeSchema::new(type_name, schema)?;
    let mistakes: Vec<_> = schema.mistakes().iter().map(ToString::to_string).collect();
    if !mistakes.is_empty() {
        bail!(
            "the schema of {type_name} is wrong at {}",
            mistakes.join("; at ")
        );
    }
    Ok(schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_is_read_with_its_type_or_alone_and_else_it_is_said_why_not() {
        let schema = json!({"properties": {"due": {"x-echo-index": true}}});
        let shown = json!({"type": "task", "schema": schema});
        let one = of_json(shown.clone(), None).unwrap();
        assert_eq!(of_json(schema.clone(), Some("task")).unwrap(), one);
        assert_eq!(
            of_json(json!([shown.clone(), shown]), None).unwrap().len(),
            2
        );
        for (json, type_name, said) in [
            (schema, None, "--type TYPE"),
            (json!([]), None, "--type TYPE"),
            (json!({"type": "a", "schema": true, "x": 1}), None, "\"x\""),
            (json!({"type": "a", "schema": 7}), None, "neither"),
            (json!({"type": "", "schema": true}), None, "no name"),
            (json!({"required": 1}), Some("a"), "/required"),
        ] {
            let error = of_json(json, type_name).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
