//! Package encoding/yaml: values from YAML texts and to them.

mod write;

use super::Builtin;
use super::call::Call;
use super::unmarshal::{self, Plain};
use crate::fault::Eval;
use crate::kind::Kinds;
use crate::value::Value;

const OCTETS: Kinds = Kinds::STRING_OR_BYTES;
const T: Kinds = Kinds::TOP;

pub(super) static BUILTINS: &[Builtin] = &[
    Builtin::function("encoding/yaml.Marshal", &[T], |c| {
        let mut out = String::new();
        write::document(c, &c.value(0), &mut out)?;
        c.answer(&out)
    }),
    Builtin::function("encoding/yaml.MarshalStream", &[T], |c| {
        let mut out = String::new();
        for (index, item) in c.list_of(&c.value(0))?.into_iter().enumerate() {
            if index > 0 {
                out.push_str("---\n");
            }
            write::document(c, &item, &mut out)?;
        }
        c.answer(&out)
    }),
    Builtin::function("encoding/yaml.Unmarshal", &[OCTETS], |c| {
        let value = match documents(c)? {
            documents if documents.len() > 1 => return c.complain("expected a single YAML document"),
            mut documents => documents.pop().unwrap_or(Value::Null),
        };
        c.whole(value)
    }),
    Builtin::function("encoding/yaml.UnmarshalStream", &[OCTETS], |c| {
        let documents = documents(c)?;
        c.list(documents)
    }),
    Builtin::schema("encoding/yaml.Validate", &[OCTETS, T], |c| each(c, true)),
    Builtin::schema("encoding/yaml.ValidatePartial", &[OCTETS, T], |c| each(c, false)),
];

/// Every document of the first argument.
fn documents(c: &mut Call<'_, '_>) -> Eval<Vec<Value>> {
    let text = c.lossy(0);
    c.context.text_budget(text.len())?;
    let options =
        serde_saphyr::options! { legacy_octal_numbers: true, strict_booleans: true, with_snippet: false };
    match serde_saphyr::from_multiple_with_options::<Plain>(&text, options) {
        Ok(documents) if documents.is_empty() => Ok(vec![Value::Null]),
        Ok(documents) => documents.into_iter().map(|document| unmarshal::plain(c, document)).collect(),
        Err(error) => c.complain(error.to_string()),
    }
}

fn each(c: &mut Call<'_, '_>, concrete: bool) -> Eval {
    for document in documents(c)? {
        unmarshal::validate(c, &document, concrete)?;
    }
    Ok(Value::Bool(true))
}
