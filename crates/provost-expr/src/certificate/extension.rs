//! Extensions of certificates, in the fields Go spreads them over.

use serde_json::{Map, Value, json};

use super::element::{Element, identifier, text_of};
use super::{CertificateFault, Result, bytes, fields_of, identifier_value, list, number, place};

/// The attribute of a request that holds the extensions asked for.
pub(super) const REQUESTED: &str = "1.2.840.113549.1.9.14";

/// The numbers Go gives the uses it knows, in their order.
const USES: [&str; 14] = [
    "2.5.29.37.0",
    "1.3.6.1.5.5.7.3.1",
    "1.3.6.1.5.5.7.3.2",
    "1.3.6.1.5.5.7.3.3",
    "1.3.6.1.5.5.7.3.4",
    "1.3.6.1.5.5.7.3.5",
    "1.3.6.1.5.5.7.3.6",
    "1.3.6.1.5.5.7.3.7",
    "1.3.6.1.5.5.7.3.8",
    "1.3.6.1.5.5.7.3.9",
    "1.3.6.1.4.1.311.10.3.3",
    "2.16.840.1.113730.4.1",
    "1.3.6.1.4.1.311.2.1.22",
    "1.3.6.1.4.1.311.61.1.1",
];

/// The fields of a certificate without extensions.
fn empty() -> Map<String, Value> {
    let mut fields = Map::new();
    for name in [
        "AuthorityKeyId",
        "CRLDistributionPoints",
        "DNSNames",
        "EmailAddresses",
        "ExcludedDNSDomains",
        "ExcludedEmailAddresses",
        "ExcludedIPRanges",
        "ExcludedURIDomains",
        "ExtKeyUsage",
        "Extensions",
        "ExtraExtensions",
        "IPAddresses",
        "IssuingCertificateURL",
        "OCSPServer",
        "PermittedDNSDomains",
        "PermittedEmailAddresses",
        "PermittedIPRanges",
        "PermittedURIDomains",
        "Policies",
        "PolicyIdentifiers",
        "PolicyMappings",
        "SubjectKeyId",
        "URIs",
        "UnhandledCriticalExtensions",
        "UnknownExtKeyUsage",
    ] {
        fields.insert(name.to_owned(), Value::Null);
    }
    for name in [
        "BasicConstraintsValid",
        "InhibitAnyPolicyZero",
        "InhibitPolicyMappingZero",
        "IsCA",
        "MaxPathLenZero",
        "PermittedDNSDomainsCritical",
        "RequireExplicitPolicyZero",
    ] {
        fields.insert(name.to_owned(), json!(false));
    }
    for name in
        ["InhibitAnyPolicy", "InhibitPolicyMapping", "KeyUsage", "MaxPathLen", "RequireExplicitPolicy"]
    {
        fields.insert(name.to_owned(), json!(0));
    }
    fields
}

/// Reads extensions into the fields of a certificate.
pub(super) fn read(extensions: &[Element<'_>], fields: &mut Map<String, Value>) -> Result<()> {
    fields.extend(empty());
    let mut shown = Vec::new();
    let mut unhandled = Vec::new();
    for extension in extensions {
        let parts = extension.children("extension")?;
        let (kind, critical, value) = match parts[..] {
            [kind, value] => (kind, false, value),
            [kind, critical, value] => (kind, critical.value != [0], value),
            _ => return Err(CertificateFault::Malformed("extension")),
        };
        let number = identifier_value(kind.value);
        shown.push(json!({"Id": number, "Critical": critical, "Value": bytes(value.value)}));
        let handled = one(&identifier(kind.value), critical, value.value, fields)?;
        if critical && !handled {
            unhandled.push(number);
        }
    }
    fields.insert("Extensions".to_owned(), list(shown));
    fields.insert("UnhandledCriticalExtensions".to_owned(), list(unhandled));
    Ok(())
}

/// Reads one extension; whether it is known.
fn one(kind: &str, critical: bool, der: &[u8], fields: &mut Map<String, Value>) -> Result<bool> {
    let whole = |what| Element::whole(der, what);
    let made = match kind {
        "2.5.29.15" => {
            let bits = whole("key usage")?.value;
            fields_of([("KeyUsage", json!(key_usage(bits)))])
        }
        "2.5.29.19" => basic_constraints(&whole("basic constraints")?)?,
        "2.5.29.37" => {
            let uses = whole("extended key usage")?.children("extended key usage")?;
            let known = |element: &Element<'_>| USES.iter().position(|u| *u == identifier(element.value));
            let numbers = uses.iter().filter_map(known).map(Value::from).collect();
            let others = uses.iter().filter(|one| known(one).is_none());
            let others = others.map(|one| identifier_value(one.value)).collect();
            fields_of([("ExtKeyUsage", list(numbers)), ("UnknownExtKeyUsage", list(others))])
        }
        "2.5.29.14" => fields_of([("SubjectKeyId", bytes(whole("subject key identifier")?.value))]),
        "2.5.29.35" => {
            let parts = whole("authority key identifier")?.children("authority key identifier")?;
            let id = parts.iter().find(|part| part.tag == 0x80).map(|part| bytes(part.value));
            fields_of([("AuthorityKeyId", id.unwrap_or_default())])
        }
        "2.5.29.17" => alternative_names(&whole("subject alternative names")?)?,
        "2.5.29.30" => name_constraints(&whole("name constraints")?, critical)?,
        "2.5.29.31" => {
            let mut found = Vec::new();
            for point in whole("CRL distribution points")?.children("CRL distribution points")? {
                let names =
                    point.children("CRL distribution point")?.into_iter().find(|part| part.tag == 0xa0);
                let Some(names) = names else { continue };
                let full =
                    names.children("CRL distribution point")?.into_iter().find(|part| part.tag == 0xa0);
                for name in
                    full.map(|f| f.children("CRL distribution point")).transpose()?.unwrap_or_default()
                {
                    if name.tag == 0x86 {
                        found.push(json!(ascii(&name)?));
                    }
                }
            }
            fields_of([("CRLDistributionPoints", list(found))])
        }
        "2.5.29.32" => {
            let mut numbers = Vec::new();
            let mut texts = Vec::new();
            for policy in whole("certificate policies")?.children("certificate policies")? {
                let parts = policy.children("certificate policies")?;
                let [kind, ..] = parts[..] else {
                    return Err(CertificateFault::Malformed("certificate policies"));
                };
                numbers.push(identifier_value(kind.value));
                texts.push(json!(identifier(kind.value)));
            }
            fields_of([("PolicyIdentifiers", list(numbers)), ("Policies", list(texts))])
        }
        "2.5.29.33" => {
            let mut found = Vec::new();
            for mapping in whole("policy mappings")?.children("policy mappings")? {
                let [issuer, subject] = mapping.children("policy mappings")?[..] else {
                    return Err(CertificateFault::Malformed("policy mappings"));
                };
                let (issuer, subject) = (identifier(issuer.value), identifier(subject.value));
                found.push(json!({"IssuerDomainPolicy": issuer, "SubjectDomainPolicy": subject}));
            }
            fields_of([("PolicyMappings", list(found))])
        }
        "2.5.29.36" => {
            let mut made = Map::new();
            for part in whole("policy constraints")?.children("policy constraints")? {
                let name = match part.tag {
                    0x80 => "RequireExplicitPolicy",
                    0x81 => "InhibitPolicyMapping",
                    _ => continue,
                };
                made.extend(counted(name, &part)?);
            }
            made
        }
        "2.5.29.54" => counted("InhibitAnyPolicy", &whole("inhibit any policy")?)?,
        "1.3.6.1.5.5.7.1.1" => {
            let (mut responders, mut issuers) = (Vec::new(), Vec::new());
            for access in whole("authority info access")?.children("authority info access")? {
                let [method, place] = access.children("authority info access")?[..] else {
                    return Err(CertificateFault::Malformed("authority info access"));
                };
                match (identifier(method.value).as_str(), place.tag) {
                    ("1.3.6.1.5.5.7.48.1", 0x86) => responders.push(json!(ascii(&place)?)),
                    ("1.3.6.1.5.5.7.48.2", 0x86) => issuers.push(json!(ascii(&place)?)),
                    _ => {}
                }
            }
            fields_of([("OCSPServer", list(responders)), ("IssuingCertificateURL", list(issuers))])
        }
        _ => return Ok(false),
    };
    fields.extend(made);
    Ok(true)
}

fn key_usage(bits: &[u8]) -> u16 {
    let [_, bits @ ..] = bits else { return 0 };
    let set = |at: usize| bits.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
    (0..9_u16).filter(|at| set(usize::from(*at))).map(|at| 1 << at).sum()
}

fn basic_constraints(element: &Element<'_>) -> Result<Map<String, Value>> {
    let parts = element.children("basic constraints")?;
    let is_authority = parts.iter().any(|part| part.tag == 0x01 && part.value != [0]);
    let length = parts.iter().find(|part| part.tag == 0x02).map(|part| number::small(part.value));
    let length = match length {
        None => -1,
        Some(length) => length.ok_or(CertificateFault::Malformed("basic constraints"))?,
    };
    Ok(fields_of([
        ("BasicConstraintsValid", json!(true)),
        ("IsCA", json!(is_authority)),
        ("MaxPathLen", json!(length)),
        ("MaxPathLenZero", json!(length == 0)),
    ]))
}

/// A number, and a field that tells 0 from none.
fn counted(name: &str, element: &Element<'_>) -> Result<Map<String, Value>> {
    let found = number::small(element.value).ok_or(CertificateFault::Malformed("policy constraints"))?;
    let mut made = Map::new();
    made.insert(name.to_owned(), json!(found));
    made.insert(format!("{name}Zero"), json!(found == 0));
    Ok(made)
}

fn ascii(element: &Element<'_>) -> Result<String> {
    let text = std::str::from_utf8(element.value).ok().filter(|text| text.is_ascii());
    text.map(str::to_owned).ok_or(CertificateFault::Malformed("IA5String"))
}

fn alternative_names(element: &Element<'_>) -> Result<Map<String, Value>> {
    let (mut emails, mut hosts, mut places, mut addresses) = (vec![], vec![], vec![], vec![]);
    for name in element.children("subject alternative names")? {
        match name.tag {
            0x81 => emails.push(json!(ascii(&name)?)),
            0x82 => hosts.push(json!(ascii(&name)?)),
            0x86 => places.push(place::uri(&ascii(&name)?)),
            0x87 => addresses.push(place::address(name.value)?),
            _ => {}
        }
    }
    Ok(fields_of([
        ("EmailAddresses", list(emails)),
        ("DNSNames", list(hosts)),
        ("URIs", list(places)),
        ("IPAddresses", list(addresses)),
    ]))
}

fn name_constraints(element: &Element<'_>, critical: bool) -> Result<Map<String, Value>> {
    let mut made = fields_of([("PermittedDNSDomainsCritical", json!(critical))]);
    for part in element.children("name constraints")? {
        let prefix = if part.tag == 0xa0 { "Permitted" } else { "Excluded" };
        let (mut emails, mut hosts, mut places, mut networks) = (vec![], vec![], vec![], vec![]);
        for subtree in part.children("name constraints")? {
            for base in subtree.children("name constraints")? {
                match base.tag {
                    0x81 => emails.push(json!(ascii(&base)?)),
                    0x82 => hosts.push(json!(ascii(&base)?)),
                    0x86 => places.push(json!(ascii(&base)?)),
                    0x87 => networks.push(place::network(base.value)?),
                    _ => {}
                }
            }
        }
        for (name, found) in [
            ("EmailAddresses", emails),
            ("DNSDomains", hosts),
            ("URIDomains", places),
            ("IPRanges", networks),
        ] {
            made.insert(format!("{prefix}{name}"), list(found));
        }
    }
    Ok(made)
}

/// An attribute of a request as Go shows it: sets of pairs of an identifier and a value.
pub(super) fn attribute(kind: &Element<'_>, values: &Element<'_>) -> Option<Value> {
    let mut sets = Vec::new();
    for set in values.children("attribute").ok()? {
        let mut pairs = Vec::new();
        for pair in set.children("attribute").ok()?.into_iter() {
            let parts = pair.children("attribute").ok()?;
            let [kind, value, ..] = parts[..] else { return None };
            if kind.tag != 0x06 {
                return None;
            }
            let value = match value.tag {
                0x01 => json!(value.value != [0]),
                0x04 => bytes(value.value),
                _ => json!(text_of::string(&value)?),
            };
            pairs.push(json!({"Type": identifier_value(kind.value), "Value": value}));
        }
        sets.push(Value::Array(pairs));
    }
    Some(json!({"Type": identifier_value(kind.value), "Value": sets}))
}
