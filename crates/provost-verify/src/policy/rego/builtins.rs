//! Builtins of OPA that policies use and regorus does not have.

use std::io;

use provost_oci::{Algorithm, Digest};
use regex::Regex;
use regorus::{Engine, Value};

/// A builtin: its name, how many arguments it takes, and what it does with them.
type Builtin = (&'static str, u8, fn(&[Value]) -> Result<Value, String>);

const BUILTINS: [Builtin; 2] = [("re_match", 2, re_match), ("crypto.sha256", 1, sha256)];

/// Adds them to an engine.
pub(crate) fn add(engine: &mut Engine) {
    for (name, arguments, run) in BUILTINS {
        let extension = move |values: Vec<Value>| run(&values).map_err(|why| io::Error::other(why).into());
        // It fails only for a name that is taken: then regorus has the builtin itself.
        let _ = engine.add_extension(name.to_owned(), arguments, Box::new(extension));
    }
}

/// `re_match(pattern, text)`, the old name of `regex.match`.
fn re_match(values: &[Value]) -> Result<Value, String> {
    let (Some(Value::String(pattern)), Some(Value::String(text))) = (values.first(), values.get(1)) else {
        return Err("re_match: operands must be strings".to_owned());
    };
    let pattern = Regex::new(pattern).map_err(|error| format!("re_match: {error}"))?;
    Ok(Value::Bool(pattern.is_match(text)))
}

/// `crypto.sha256(text)`, in hexadecimal.
fn sha256(values: &[Value]) -> Result<Value, String> {
    match values.first() {
        Some(Value::String(text)) => {
            Ok(Value::from(Digest::of(Algorithm::Sha256, text.as_bytes()).hex().to_owned()))
        }
        _ => Err("crypto.sha256: operand must be a string".to_owned()),
    }
}
