//! The first message of a TLS conversation, only to see whether a port answers in kind.
//!
//! It is written by hand, not by rustls: no handshake will follow it, so it needs no random numbers, and gathering
//! the first of those takes aws-lc 35 ms (measured), more than all of a verify against loopback.

/// TLS 1.2: servers that want 1.3 only answer with an alert, which is an answer in kind.
const VERSION: [u8; 2] = [0x03, 0x03];

/// Where randomness would stand. The two line ends make a plain HTTP server see a whole (and malformed) request,
/// so that it answers at once instead of waiting for more.
const NOT_RANDOM: &[u8; 32] = b"provost asks: is this TLS?  \r\n\r\n";

/// Cipher suites that any server of the last ten years has one of.
const SUITES: &[u8] =
    &[0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xcc, 0xa9, 0xcc, 0xa8, 0x00, 0x9c, 0x00, 0x2f];

const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;

/// A ClientHello (RFC 5246, section 7.4.1.2) in its record. `name` is the host where it is no address.
pub(crate) fn client_hello(name: Option<&str>) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some(name) = name {
        let mut entry = vec![0];
        entry.extend(prefixed(name.as_bytes()));
        extension(&mut extensions, SERVER_NAME, &prefixed(&entry));
    }
    // x25519, P-256, P-384.
    extension(&mut extensions, SUPPORTED_GROUPS, &prefixed(&[0x00, 0x1d, 0x00, 0x17, 0x00, 0x18]));
    extension(&mut extensions, POINT_FORMATS, &[1, 0]);
    // ECDSA, RSA-PSS and PKCS #1 with SHA-256 and SHA-384.
    let algorithms = [0x04, 0x03, 0x08, 0x04, 0x04, 0x01, 0x05, 0x03, 0x08, 0x05, 0x05, 0x01];
    extension(&mut extensions, SIGNATURE_ALGORITHMS, &prefixed(&algorithms));
    let mut hello = Vec::new();
    hello.extend(VERSION);
    hello.extend(NOT_RANDOM);
    hello.push(0); // no session to resume
    hello.extend(prefixed(SUITES));
    hello.extend([1, 0]); // no compression
    hello.extend(prefixed(&extensions));
    let mut handshake = vec![1, 0];
    handshake.extend(prefixed(&hello));
    let mut record = vec![0x16, 0x03, 0x01];
    record.extend(prefixed(&handshake));
    record
}

fn extension(extensions: &mut Vec<u8>, kind: u16, content: &[u8]) {
    extensions.extend(kind.to_be_bytes());
    extensions.extend(prefixed(content));
}

/// Bytes after their length in two bytes; nothing here is longer than a host name's 255.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
    out.extend(bytes);
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::server::Acceptor;

    use super::*;

    #[test]
    fn a_tls_server_reads_it() {
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut client_hello(Some("reg.local")).as_slice()).unwrap();
        let accepted = acceptor.accept().map_err(|(error, _)| error).unwrap().unwrap();
        let hello = accepted.client_hello();
        assert_eq!(hello.server_name(), Some("reg.local"));
        assert!(hello.signature_schemes().contains(&rustls::SignatureScheme::ECDSA_NISTP256_SHA256));
    }

    #[test]
    fn a_tls_server_answers_with_a_tls_record() {
        for name in [Some("localhost"), None] {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            for versions in [rustls::ALL_VERSIONS, &[&rustls::version::TLS13]] {
                let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
                    .with_protocol_versions(versions)
                    .unwrap()
                    .with_no_client_auth()
                    .with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new()));
                let mut server = rustls::ServerConnection::new(Arc::new(config)).unwrap();
                server.read_tls(&mut client_hello(name).as_slice()).unwrap();
                assert!(server.process_new_packets().is_err(), "no certificate, so no handshake");
                let mut answer = Vec::new();
                server.write_tls(&mut answer).unwrap();
                assert!(matches!(answer.first(), Some(0x15 | 0x16)), "{answer:?}");
            }
        }
    }

    #[test]
    fn an_http_server_sees_the_end_of_a_request() {
        assert!(client_hello(None).windows(4).any(|part| part == b"\r\n\r\n"));
    }
}
