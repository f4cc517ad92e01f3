//! Signing configurations (v0.2): which services sign, and how many of each are asked.

use jiff::Timestamp;
use provost_statement::{JsonError, Limits, go_json, json};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::protobuf_time;

/// The media type of a signing configuration, the only version read.
pub const SIGNING_CONFIG_V02: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";
/// The most services of one kind: an operator lists its old and new ones, public Sigstore has three.
pub const MAX_SERVICES: usize = 100;

/// Which services a signature is made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SigningConfig {
    /// Certificate authorities (Fulcio).
    pub authorities: Vec<SigningService>,
    /// Where identity tokens come from.
    pub token_issuers: Vec<SigningService>,
    /// Transparency logs (Rekor).
    pub logs: Vec<SigningService>,
    /// How many of the logs.
    pub log_choice: Choice,
    /// Timestamp authorities.
    pub timestamp_authorities: Vec<SigningService>,
    /// How many of those.
    pub timestamp_choice: Choice,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningService {
    /// Its URL.
    pub url: String,
    /// The version of its interface.
    pub version: u32,
    /// From when on it serves.
    pub start: Option<Timestamp>,
    /// Until when.
    pub end: Option<Timestamp>,
    /// Who runs it; of one operator's services only the newest is asked.
    pub operator: String,
}

impl SigningService {
    /// A service given by a flag, without an operator: serving always.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), version: 1, start: None, end: None, operator: String::new() }
    }

    fn serves(&self, now: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= now) && self.end.is_none_or(|end| now <= end)
    }
}

/// How many of several services are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Not said.
    #[default]
    Undefined,
    /// All.
    All,
    /// One.
    Any,
    /// That many.
    Exact(u32),
}

/// Why no service can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// None serves now, in a version that we speak.
    #[error("no matching {what} found for API versions {versions} and current time {now}")]
    None {
        /// `service` or `services`.
        what: &'static str,
        /// The versions, as Go prints a list.
        versions: String,
        /// The time asked for.
        now: String,
    },
    /// It is not said how many to ask.
    #[error("invalid service selector")]
    Selector,
    /// A count of zero.
    #[error("service selector count must be greater than 0")]
    Zero,
    /// A count beyond what there is.
    #[error("service selector count {count} must be less than or equal to the slice length {available}")]
    TooMany {
        /// How many are wanted.
        count: u32,
        /// How many there are.
        available: usize,
    },
}

/// The service to ask: of the highest version that we speak, the newest that serves now.
///
/// # Errors
/// When none does.
pub fn choose_one<'a>(
    services: &'a [SigningService],
    versions: &[u32],
    now: Timestamp,
) -> Result<&'a SigningService, ChoiceError> {
    let serving = candidates(services, versions, now);
    serving.first().copied().ok_or_else(|| none("service", versions, now))
}

/// The services to ask: of the highest version that we speak, the newest of each operator, as many as chosen.
///
/// `pick` is given a count and names one below it: chance where cosign uses chance.
///
/// # Errors
/// When there are not enough, or it is not said how many.
pub fn choose<'a>(
    services: &'a [SigningService],
    choice: Choice,
    versions: &[u32],
    now: Timestamp,
    pick: &mut dyn FnMut(usize) -> usize,
) -> Result<Vec<&'a SigningService>, ChoiceError> {
    let mut chosen: Vec<&SigningService> = Vec::new();
    for service in candidates(services, versions, now) {
        let same_version = chosen.first().is_none_or(|first| first.version == service.version);
        if same_version && !chosen.iter().any(|one| one.operator == service.operator) {
            chosen.push(service);
        }
    }
    if chosen.is_empty() {
        return Err(none("services", versions, now));
    }
    let wanted = match choice {
        Choice::All => return Ok(chosen),
        Choice::Any => 1,
        Choice::Exact(0) => return Err(ChoiceError::Zero),
        Choice::Exact(count) => count as usize,
        Choice::Undefined => return Err(ChoiceError::Selector),
    };
    if wanted > chosen.len() {
        let count = u32::try_from(wanted).unwrap_or(u32::MAX);
        return Err(ChoiceError::TooMany { count, available: chosen.len() });
    }
    let mut result = Vec::new();
    while result.len() < wanted && !chosen.is_empty() {
        let at = pick(chosen.len()).min(chosen.len() - 1);
        result.push(chosen.swap_remove(at));
    }
    Ok(result)
}

/// What serves now, highest version first, newest first.
fn candidates<'a>(
    services: &'a [SigningService],
    versions: &[u32],
    now: Timestamp,
) -> Vec<&'a SigningService> {
    let mut serving: Vec<&SigningService> =
        services.iter().filter(|one| versions.contains(&one.version) && one.serves(now)).collect();
    serving.sort_by(|a, b| b.version.cmp(&a.version).then(b.start.cmp(&a.start)));
    serving
}

fn none(what: &'static str, versions: &[u32], now: Timestamp) -> ChoiceError {
    let each: Vec<String> = versions.iter().map(u32::to_string).collect();
    ChoiceError::None { what, versions: format!("[{}]", each.join(" ")), now: now.to_string() }
}

/// Why a file is no signing configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningConfigError {
    /// It is no strict JSON.
    #[error("the signing config is not JSON: {0}")]
    Json(#[from] JsonError),
    /// It is of another version.
    #[error("unsupported SigningConfig media type: {0}")]
    MediaType(String),
    /// A field is unknown.
    #[error("the signing config has an unknown field {0:?}")]
    Unknown(String),
    /// A field has another form.
    #[error("the signing config's {0} has another form than expected")]
    Field(String),
    /// More services than are read.
    #[error("the signing config's {0} has more than {MAX_SERVICES} services")]
    TooMany(String),
}

impl SigningConfig {
    /// Reads one, as strictly as protobuf's JSON: an unknown field is an error.
    ///
    /// # Errors
    /// See [`SigningConfigError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SigningConfigError> {
        let document = json::parse(bytes, Limits::STATEMENT)?;
        let fields = object(&document, "document")?;
        let media_type = fields.get("mediaType").and_then(Value::as_str).unwrap_or_default();
        if media_type != SIGNING_CONFIG_V02 {
            return Err(SigningConfigError::MediaType(media_type.to_owned()));
        }
        let mut read = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "mediaType" => {}
                "caUrls" => read.authorities = services(value, name)?,
                "oidcUrls" => read.token_issuers = services(value, name)?,
                "rekorTlogUrls" => read.logs = services(value, name)?,
                "rekorTlogConfig" => read.log_choice = choice(value, name)?,
                "tsaUrls" => read.timestamp_authorities = services(value, name)?,
                "tsaConfig" => read.timestamp_choice = choice(value, name)?,
                other => return Err(SigningConfigError::Unknown(other.to_owned())),
            }
        }
        Ok(read)
    }

    /// The configuration's JSON, in protobuf's order.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let each = |list: &[SigningService]| list.iter().map(ServiceWire::of).collect();
        go_json::plain(&Wire {
            media_type: SIGNING_CONFIG_V02,
            ca_urls: each(&self.authorities),
            oidc_urls: each(&self.token_issuers),
            rekor_tlog_urls: each(&self.logs),
            rekor_tlog_config: ChoiceWire::of(self.log_choice),
            tsa_urls: each(&self.timestamp_authorities),
            tsa_config: ChoiceWire::of(self.timestamp_choice),
        })
    }
}

fn object<'a>(value: &'a Value, name: &str) -> Result<&'a Map<String, Value>, SigningConfigError> {
    value.as_object().ok_or_else(|| SigningConfigError::Field(name.to_owned()))
}

fn services(value: &Value, name: &str) -> Result<Vec<SigningService>, SigningConfigError> {
    let list = value.as_array().ok_or_else(|| SigningConfigError::Field(name.to_owned()))?;
    if list.len() > MAX_SERVICES {
        return Err(SigningConfigError::TooMany(name.to_owned()));
    }
    list.iter().map(|one| service(one, name)).collect()
}

fn service(value: &Value, name: &str) -> Result<SigningService, SigningConfigError> {
    let bad = |field: &str| SigningConfigError::Field(format!("{name}.{field}"));
    let mut read = SigningService::at("");
    read.version = 0;
    for (field, value) in object(value, name)? {
        let text = || value.as_str().map(str::to_owned).ok_or_else(|| bad(field));
        match field.as_str() {
            "url" => read.url = text()?,
            "operator" => read.operator = text()?,
            "majorApiVersion" => {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                read.version = number.ok_or_else(|| bad(field))?;
            }
            "validFor" => {
                for (end, value) in object(value, field)? {
                    let time = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
                    let time = Some(time.ok_or_else(|| bad(end))?);
                    match end.as_str() {
                        "start" => read.start = time,
                        "end" => read.end = time,
                        other => return Err(SigningConfigError::Unknown(other.to_owned())),
                    }
                }
            }
            other => return Err(SigningConfigError::Unknown(other.to_owned())),
        }
    }
    Ok(read)
}

fn choice(value: &Value, name: &str) -> Result<Choice, SigningConfigError> {
    let bad = || SigningConfigError::Field(name.to_owned());
    let fields = object(value, name)?;
    if let Some(other) = fields.keys().find(|key| !matches!(key.as_str(), "selector" | "count")) {
        return Err(SigningConfigError::Unknown(other.clone()));
    }
    let count = match fields.get("count") {
        None => 0,
        Some(count) => count.as_u64().and_then(|count| u32::try_from(count).ok()).ok_or_else(bad)?,
    };
    match fields.get("selector").map(|selector| selector.as_str().ok_or_else(bad)).transpose()? {
        None | Some("SERVICE_SELECTOR_UNDEFINED") => Ok(Choice::Undefined),
        Some("ALL") => Ok(Choice::All),
        Some("ANY") => Ok(Choice::Any),
        Some("EXACT") => Ok(Choice::Exact(count)),
        Some(_) => Err(bad()),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    media_type: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ca_urls: Vec<ServiceWire>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    oidc_urls: Vec<ServiceWire>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rekor_tlog_urls: Vec<ServiceWire>,
    rekor_tlog_config: ChoiceWire,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tsa_urls: Vec<ServiceWire>,
    tsa_config: ChoiceWire,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceWire {
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
    #[serde(skip_serializing_if = "is_zero")]
    major_api_version: u32,
    valid_for: protobuf_time::Range,
    #[serde(skip_serializing_if = "String::is_empty")]
    operator: String,
}

impl ServiceWire {
    fn of(service: &SigningService) -> Self {
        Self {
            url: service.url.clone(),
            major_api_version: service.version,
            valid_for: protobuf_time::Range::of(service.start, service.end),
            operator: service.operator.clone(),
        }
    }
}

#[derive(Serialize)]
struct ChoiceWire {
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<&'static str>,
    #[serde(skip_serializing_if = "is_zero")]
    count: u32,
}

impl ChoiceWire {
    fn of(choice: Choice) -> Self {
        match choice {
            Choice::Undefined => Self { selector: None, count: 0 },
            Choice::All => Self { selector: Some("ALL"), count: 0 },
            Choice::Any => Self { selector: Some("ANY"), count: 0 },
            Choice::Exact(count) => Self { selector: Some("EXACT"), count },
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields by reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests;
