//! Whether JSON is what a document of OpenAPI 3.1 says that it is: the words of JSON Schema that ours uses, and a panic at any
//! other, so that none is passed over.

use serde_json::Value;

/// Panics with the place where they differ.
pub(crate) fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Err(error) = is(document, schema, value, place) {
        panic!("{error}");
    }
}

fn is(document: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{place}: {what}: {value}"));
    for (word, said) in schema.as_object().unwrap() {
        match word.as_str() {
            "description" | "default" | "maxLength" | "minLength" => {}
            "$ref" => is(document, resolve(document, said.as_str().unwrap()), value, place)?,
            "type" => {
                let types = said.as_array().cloned().unwrap_or_else(|| vec![said.clone()]);
                if !types.iter().any(|it| is_a(it.as_str().unwrap(), value)) {
                    return wrong(&format!("is no {said}"));
                }
            }
            "format" => {
                let Some(text) = value.as_str() else { continue };
                let fits = match said.as_str().unwrap() {
                    "uuid" => uuid::Uuid::try_parse(text).is_ok(),
                    "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
                    other => panic!("format {other} is not known here"),
                };
                if !fits {
                    return wrong(&format!("is no {said}"));
                }
            }
            "enum" if !said.as_array().unwrap().contains(value) => return wrong("is none of the enum"),
            "minimum" if value.as_f64() < said.as_f64() && value.is_number() => return wrong("is too small"),
            "maximum" if value.as_f64() > said.as_f64() && value.is_number() => return wrong("is too large"),
            "enum" | "minimum" | "maximum" => {}
            "items" => {
                for (nth, it) in value.as_array().into_iter().flatten().enumerate() {
                    is(document, said, it, &format!("{place}[{nth}]"))?;
                }
            }
            "minItems" | "maxItems" => {}
            "oneOf" => {
                let n = said.as_array().unwrap().iter().filter(|it| is(document, it, value, place).is_ok()).count();
                if n != 1 {
                    return wrong(&format!("is {n} of oneOf"));
                }
            }
            "required" => {
                for it in said.as_array().unwrap().iter().filter_map(Value::as_str) {
                    if value.is_object() && value.get(it).is_none() {
                        return wrong(&format!("has no {it}"));
                    }
                }
            }
            "properties" => {
                for (name, it) in said.as_object().unwrap() {
                    if let Some(found) = value.get(name) {
                        is(document, it, found, &format!("{place}.{name}"))?;
                    }
                }
            }
            "additionalProperties" => {
                let known = |it: &str| schema["properties"].get(it).is_some();
                for (name, it) in value.as_object().into_iter().flatten().filter(|it| !known(it.0)) {
                    match said {
                        Value::Bool(true) => {}
                        Value::Bool(false) => return wrong(&format!("has {name}, which is not documented")),
                        schema => is(document, schema, it, &format!("{place}.{name}"))?,
                    }
                }
            }
            other => panic!("{other} is not known here"),
        }
    }
    Ok(())
}

/// What a `#/…` leads to.
pub(crate) fn resolve<'a>(document: &'a Value, reference: &str) -> &'a Value {
    document.pointer(reference.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("there is no {reference}"))
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("type {other} is not known here"),
    }
}

#[test]
fn the_check_finds_what_differs() {
    let document = serde_json::json!({"a": {"type": "object", "required": ["x"], "additionalProperties": false,
        "properties": {"x": {"type": ["integer", "null"], "minimum": 1}, "y": {"enum": ["b", null]}}}});
    let wrong = |it: Value| is(&document, &document["a"], &it, "it").err().unwrap_or_default();
    assert_eq!(wrong(serde_json::json!({"x": 1, "y": null})), "");
    for (value, said) in [
        (serde_json::json!({"y": "b"}), "it: has no x"),
        (serde_json::json!({"x": 0}), "it.x: is too small"),
        (serde_json::json!({"x": "1"}), "it.x: is no"),
        (serde_json::json!({"x": null, "y": "c"}), "it.y: is none of the enum"),
        (serde_json::json!({"x": 1, "z": 1}), "it: has z"),
        (serde_json::json!([]), "it: is no"),
    ] {
        let found = wrong(value);
        assert!(found.starts_with(said), "{said}: {found}");
    }
}
