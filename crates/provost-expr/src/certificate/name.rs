//! Distinguished names, as Go's `pkix.Name` shows them.

use serde_json::{Value, json};

use super::element::{Element, identifier, text_of};
use super::{CertificateFault, Result, identifier_value, list};

/// The fields of a name that hold one value or a list of them, by the last number of `2.5.4.N`.
const FIELDS: [(&str, &str); 9] = [
    ("2.5.4.3", "CommonName"),
    ("2.5.4.5", "SerialNumber"),
    ("2.5.4.6", "Country"),
    ("2.5.4.7", "Locality"),
    ("2.5.4.8", "Province"),
    ("2.5.4.9", "StreetAddress"),
    ("2.5.4.10", "Organization"),
    ("2.5.4.11", "OrganizationalUnit"),
    ("2.5.4.17", "PostalCode"),
];

/// Reads a name.
pub(super) fn read(name: &Element<'_>) -> Result<Value> {
    const WHAT: &str = "RDNSequence";
    let mut shown = json!({
        "CommonName": "", "SerialNumber": "", "Country": null, "Locality": null, "Province": null,
        "StreetAddress": null, "Organization": null, "OrganizationalUnit": null, "PostalCode": null,
        "ExtraNames": null,
    });
    let mut all = Vec::new();
    for set in name.children(WHAT)? {
        for attribute in set.children(WHAT)? {
            let [kind, value] = attribute.children(WHAT)?[..] else {
                return Err(CertificateFault::Malformed(WHAT));
            };
            let text = text_of::string(&value).ok_or(CertificateFault::Malformed(WHAT))?;
            all.push(json!({"Type": identifier_value(kind.value), "Value": text}));
            let known = identifier(kind.value);
            let field = FIELDS.iter().find(|(number, _)| *number == known).map(|(_, field)| *field);
            match field.and_then(|field| shown.get_mut(field)) {
                Some(Value::Array(texts)) => texts.push(json!(text)),
                Some(one @ Value::String(_)) => *one = json!(text),
                Some(none) => *none = json!([text]),
                None => {}
            }
        }
    }
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("Names".to_owned(), list(all));
    }
    Ok(shown)
}
