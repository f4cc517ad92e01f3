//! An OpenID provider on loopback: discovery, one RSA key, and identity tokens for whoever asks in here.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::shell;

/// How long a token holds, in seconds.
const LIFE: u64 = 600;
/// The audience Fulcio asks for.
const AUDIENCE: &str = "sigstore";
/// The public exponent openssl takes, 65537, in base64.
const EXPONENT: &str = "AQAB";

/// A running provider; it serves until the process ends.
pub(crate) struct Provider {
    /// Its address, which is its name.
    pub(crate) issuer: String,
    key: std::path::PathBuf,
}

impl Provider {
    /// Starts one with a new key in `folder`.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let key = folder.join("issuer.key");
        shell::quiet("openssl", &["genrsa", "-out", &key.to_string_lossy(), "2048"])?;
        let modulus =
            shell::output("openssl", &["rsa", "-in", &key.to_string_lossy(), "-noout", "-modulus"])?;
        let digits = modulus.trim().strip_prefix("Modulus=").context("openssl says no modulus")?.to_owned();
        let modulus = base64_url(&bytes(&digits)?);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let issuer = format!("http://{}", listener.local_addr()?);
        let discovery = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/auth"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        let keys = json!({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "e2e", "n": modulus, "e": EXPONENT}]});
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Who hangs up early gets nothing, and the next is served.
                let _ = answer(stream, &discovery, &keys);
            }
        });
        Ok(Self { issuer, key })
    }

    /// A token that says this e-mail address.
    pub(crate) fn token(&self, email: &str) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let head = json!({"alg": "RS256", "kid": "e2e", "typ": "JWT"});
        let claims = json!({
            "iss": self.issuer, "aud": AUDIENCE, "sub": email, "email": email, "email_verified": true,
            "iat": now, "exp": now + LIFE,
        });
        let text = [head, claims].map(|part| base64_url(part.to_string().as_bytes())).join(".");
        let mut child = Command::new("openssl")
            .args(["dgst", "-sha256", "-sign"])
            .arg(&self.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("openssl does not start")?;
        child.stdin.take().context("standard input")?.write_all(text.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("openssl dgst ended with {}", output.status);
        }
        Ok(format!("{text}.{}", base64_url(&output.stdout)))
    }
}

fn answer(mut stream: TcpStream, discovery: &Value, keys: &Value) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().context("no request")??;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let body = match first.split(' ').nth(1) {
        Some("/.well-known/openid-configuration") => discovery,
        Some("/keys") => keys,
        _ => {
            return Ok(stream.write_all(b"HTTP/1.1 404 -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?);
        }
    };
    let body = body.to_string();
    let head = "Content-Type: application/json\r\nConnection: close";
    Ok(write!(stream, "HTTP/1.1 200 -\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?)
}

/// The bytes of hexadecimal digits.
fn bytes(digits: &str) -> Result<Vec<u8>> {
    let pairs =
        digits.as_bytes().chunks(2).map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?));
    pairs.collect()
}

/// base64 in the URL alphabet, without padding.
fn base64_url(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            let six = usize::try_from(number >> (18 - 6 * place) & 63).unwrap_or_default();
            text.extend(alphabet.get(six).map(|letter| char::from(*letter)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_what_others_write() {
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("o~?>>>", "b34_Pj4-")] {
            assert_eq!(base64_url(bytes.as_bytes()), text);
        }
        assert_eq!(bytes("00ff10").ok(), Some(vec![0, 255, 16]));
        assert!(bytes("0g").is_err());
    }
}
