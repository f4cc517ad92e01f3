//! Where credentials for AWS come from, in the order of its SDKs: variables, a role by web identity (service accounts of
//! EKS), the profile, a container's endpoint, the machine's metadata.

use std::path::Path;

use reqwest::{Client, Method};
use url::Url;
use zeroize::Zeroizing;

use super::profile::Profile;
use crate::error::KmsError;
use crate::kind::KmsKind;
use crate::surroundings::Surroundings;
use crate::transport::{Answer, at, exchange};
use crate::vault::bounded_file;

const SERVICE: KmsKind = KmsKind::Aws;
/// The longest token file read; web identity tokens have a few KiB.
const TOKEN_LIMIT: u64 = 64 * 1024;
/// The name that a session of ours bears where `AWS_ROLE_SESSION_NAME` gives none.
const SESSION: &str = "provost";
/// Where containers of ECS ask by a path alone, and where machines of EC2 ask.
const CONTAINER: &str = "http://169.254.170.2";
const MACHINE: &str = "http://169.254.169.254";

/// An access key, perhaps of a session.
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) secret: Zeroizing<String>,
    pub(super) session: Option<Zeroizing<String>>,
}

/// The first that is there.
pub(super) async fn find(
    around: &dyn Surroundings,
    client: &Client,
    profile: &Profile,
    region: &str,
) -> Result<Credentials, KmsError> {
    if let (Some(id), Some(secret)) =
        (around.variable("AWS_ACCESS_KEY_ID"), around.variable("AWS_SECRET_ACCESS_KEY"))
    {
        let session = around.variable("AWS_SESSION_TOKEN").map(Zeroizing::new);
        return Ok(Credentials { id, secret: Zeroizing::new(secret), session });
    }
    let role = around.variable("AWS_ROLE_ARN");
    if let (Some(file), Some(role)) = (around.variable("AWS_WEB_IDENTITY_TOKEN_FILE"), role) {
        return web_identity(around, client, &file, &role, region).await;
    }
    if profile.missing {
        return Err(KmsError::Setting(format!(
            "loading AWS config: no profile {:?} in AWS's files",
            profile.name
        )));
    }
    if let (Some(id), Some(secret)) =
        (profile.setting("aws_access_key_id"), profile.setting("aws_secret_access_key"))
    {
        let session = profile.setting("aws_session_token").map(Zeroizing::new);
        return Ok(Credentials { id, secret: Zeroizing::new(secret), session });
    }
    for other in ["sso_session", "sso_start_url", "role_arn", "credential_process"] {
        if profile.setting(other).is_some() {
            return Err(KmsError::Setting(format!(
                "the AWS profile {:?} takes its credentials by {other}, which is not supported: export them as variables (aws configure export-credentials --format env)",
                profile.name
            )));
        }
    }
    if let Some(found) = container(around, client).await? {
        return Ok(found);
    }
    if around.variable("AWS_EC2_METADATA_DISABLED").as_deref() != Some("true") {
        return machine(around, client).await;
    }
    Err(KmsError::Setting(
        "no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned(),
    ))
}

async fn web_identity(
    around: &dyn Surroundings,
    client: &Client,
    file: &str,
    role: &str,
    region: &str,
) -> Result<Credentials, KmsError> {
    let missing = || KmsError::File { path: file.to_owned(), cause: "no such file".to_owned() };
    let token = bounded_file(Path::new(file), TOKEN_LIMIT)?.ok_or_else(missing)?;
    let china = if region.starts_with("cn-") { ".cn" } else { "" };
    let endpoint = around
        .variable("AWS_ENDPOINT_URL_STS")
        .or_else(|| around.variable("AWS_ENDPOINT_URL"))
        .unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com{china}"));
    let session = around.variable("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| SESSION.to_owned());
    // What writes forms cannot move between threads, so it ends here.
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("Action", "AssumeRoleWithWebIdentity")
        .append_pair("Version", "2011-06-15")
        .append_pair("RoleArn", role)
        .append_pair("RoleSessionName", &session)
        .append_pair("WebIdentityToken", token.trim())
        .finish();
    let request = client
        .request(Method::POST, endpoint)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let answer = send(client, request).await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    if !(200..300).contains(&answer.status) {
        let words = element(&text, "Message").unwrap_or_default();
        return Err(refused(&answer, &words));
    }
    let part = |name: &str| element(&text, name).ok_or_else(|| answer.wrong(SERVICE, name));
    Ok(Credentials {
        id: part("AccessKeyId")?,
        secret: Zeroizing::new(part("SecretAccessKey")?),
        session: Some(Zeroizing::new(part("SessionToken")?)),
    })
}

/// The endpoint a container was given; only a loopback address, the container's own, or https may see its token.
async fn container(around: &dyn Surroundings, client: &Client) -> Result<Option<Credentials>, KmsError> {
    let url = match (
        around.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        around.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    ) {
        (Some(path), _) => format!("{CONTAINER}{path}"),
        (None, Some(url)) => url,
        (None, None) => return Ok(None),
    };
    let parsed = Url::parse(&url).ok().filter(|url| url.scheme() == "https" || is_own(url));
    let Some(parsed) = parsed else {
        return Err(KmsError::Setting(format!(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI: {url} is neither https nor an address of this machine"
        )));
    };
    let token = match around.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => bounded_file(Path::new(&file), TOKEN_LIMIT)?.map(|text| text.trim().to_owned()),
        None => around.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    let mut request = client.request(Method::GET, parsed);
    if let Some(token) = token {
        request = request.header("authorization", token);
    }
    session(&send(client, request).await?).map(Some)
}

/// Loopback, and the two link-local addresses by which containers of ECS and EKS are served.
fn is_own(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => {
            address.is_loopback() || matches!(address.octets(), [169, 254, 170, 2 | 23])
        }
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The metadata of a machine of EC2, by its second version: a token first.
async fn machine(around: &dyn Surroundings, client: &Client) -> Result<Credentials, KmsError> {
    let base = around.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| MACHINE.to_owned());
    let base = base.trim_end_matches('/');
    let none = |error: KmsError| {
        KmsError::Setting(format!(
            "no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (the machine's metadata gave none: {error})"
        ))
    };
    let request = client
        .request(Method::PUT, format!("{base}/latest/api/token"))
        .header("x-aws-ec2-metadata-token-ttl-seconds", "300");
    let token = text(send(client, request).await.map_err(none)?)?;
    let get = async |path: &str| {
        let request =
            client.request(Method::GET, format!("{base}/latest/meta-data/iam/security-credentials/{path}"));
        send(client, request.header("x-aws-ec2-metadata-token", token.as_str())).await
    };
    let roles = text(get("").await?)?;
    let role = roles.lines().next().unwrap_or_default().trim();
    session(&get(role).await?)
}

async fn send(client: &Client, request: reqwest::RequestBuilder) -> Result<Answer, KmsError> {
    let request = request.build().map_err(|error| KmsError::Setting(error.without_url().to_string()))?;
    exchange(SERVICE, client, request).await
}

fn text(answer: Answer) -> Result<String, KmsError> {
    if !(200..300).contains(&answer.status) {
        return Err(refused(&answer, ""));
    }
    String::from_utf8(answer.body.clone()).map_err(|_| answer.wrong(SERVICE, "the text"))
}

fn session(answer: &Answer) -> Result<Credentials, KmsError> {
    let value = answer.json(SERVICE, |value| {
        let part = |name: &str| at(value, name).as_str().unwrap_or_default().to_owned();
        (part("code"), part("message"))
    })?;
    let part =
        |name: &str| at(&value, name).as_str().map(str::to_owned).ok_or_else(|| answer.wrong(SERVICE, name));
    Ok(Credentials {
        id: part("AccessKeyId")?,
        secret: Zeroizing::new(part("SecretAccessKey")?),
        session: at(&value, "Token").as_str().map(|token| Zeroizing::new(token.to_owned())),
    })
}

fn refused(answer: &Answer, words: &str) -> KmsError {
    KmsError::Refused {
        service: SERVICE,
        request: answer.request.clone(),
        status: answer.status,
        code: String::new(),
        message: crate::transport::plain(words),
    }
}

/// The text of the first XML element of a name; what is asked for holds no markup.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner.trim().replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_asked_in_clear_text() {
        for (url, own) in [
            ("http://127.0.0.1:80/x", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("http://169.254.170.2/", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://169.254.169.254/", false),
            ("http://example.com/", false),
            ("http://127.0.0.1.example.com/", false),
        ] {
            assert_eq!(is_own(&Url::parse(url).unwrap()), own, "{url}");
        }
    }

    #[test]
    fn elements_are_found_whole() {
        assert_eq!(
            element("<A><SessionToken>a&amp;b</SessionToken></A>", "SessionToken").as_deref(),
            Some("a&b")
        );
        assert_eq!(element("<SessionToken>a", "SessionToken"), None);
    }
}
