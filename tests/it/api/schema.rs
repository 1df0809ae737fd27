//! Whether JSON is what a specification describes: the part of JSON Schema that ours make use of.

use super::calls::resolved;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Members that the schema does not name are wrong too: clients could not know of them.
pub(super) fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<()> {
    let schema = resolved(document, schema);
    if let Some(ways) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        ensure!(ways.iter().any(|way| conforms(document, way, value, at).is_ok()), "{at}: {value} is none of {schema}");
        return Ok(());
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return parts.iter().try_for_each(|part| conforms(document, part, value, at));
    }
    if let Some(words) = schema["enum"].as_array() {
        ensure!(words.contains(value), "{at}: {value} is none of {words:?}");
    }
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => bail!("{at}: the schema names no type: {schema}"),
    };
    ensure!(types.iter().any(|name| is(name, value)), "{at}: {value} is no {types:?}");
    match value {
        Value::Object(members) if schema["properties"].is_object() => {
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                ensure!(members.contains_key(name), "{at}: {name} is missing in {value}");
            }
            members.iter().try_for_each(|(name, member)| {
                let schema = schema["properties"].get(name).with_context(|| format!("{at}/{name} is not described"))?;
                conforms(document, schema, member, &format!("{at}/{name}"))
            })
        }
        Value::Array(items) => {
            items.iter().try_for_each(|item| conforms(document, &schema["items"], item, &format!("{at}/-")))
        }
        _ => Ok(()),
    }
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    }
}
