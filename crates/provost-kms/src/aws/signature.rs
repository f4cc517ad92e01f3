//! AWS Signature Version 4 over one request with an empty path and no query.

use aws_lc_rs::{digest, hmac};
use jiff::Timestamp;
use url::Url;

use super::credentials::Credentials;
use crate::error::KmsError;

/// A request to sign: where it goes, for which service, with which headers and body.
pub(super) struct Signable<'a> {
    pub(super) url: &'a Url,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// Lower-case names.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: &'a [u8],
}

impl Signable<'_> {
    /// All headers the request must bear, `authorization` among them; `host` is the client's to write.
    pub(super) fn headers_for(
        self,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<Vec<(&'static str, String)>, KmsError> {
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = time.get(..8).unwrap_or_default();
        let host = self.url.host_str().unwrap_or_default();
        let host = match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let mut headers = self.headers;
        headers.push(("host", host));
        headers.push(("x-amz-date", time.clone()));
        if let Some(token) = &credentials.session {
            headers.push(("x-amz-security-token", token.to_string()));
        }
        headers.sort();
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let path = self.url.path();
        let canonical = format!("POST\n{path}\n\n{lines}\n{names}\n{}", hash(self.body));
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(canonical.as_bytes()));
        let mut key = format!("AWS4{}", credentials.secret.as_str()).into_bytes();
        for part in [day, self.region, self.service, "aws4_request"] {
            key = keyed(&key, part.as_bytes());
        }
        let signature = hex::encode(keyed(&key, text.as_bytes()));
        let id = &credentials.id;
        headers.push((
            "authorization",
            format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"),
        ));
        headers.retain(|(name, _)| *name != "host");
        Ok(headers)
    }
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

fn keyed(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    /// Case `post-vanilla` of AWS's published test suite for Signature Version 4.
    #[test]
    fn the_published_case_comes_out() {
        let url = Url::parse("https://example.amazonaws.com/").unwrap();
        let signable =
            Signable { url: &url, region: "us-east-1", service: "service", headers: Vec::new(), body: b"" };
        let credentials = Credentials {
            id: "AKIDEXAMPLE".to_owned(),
            secret: Zeroizing::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            session: None,
        };
        let now: Timestamp = "2015-08-30T12:36:00Z".parse().unwrap();
        let headers = signable.headers_for(&credentials, now).unwrap();
        let authorization = headers.iter().find(|(name, _)| *name == "authorization").unwrap();
        assert_eq!(
            authorization.1,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
    }
}
