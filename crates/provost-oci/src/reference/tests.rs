//! How names are read, in the spellings people use.

use super::*;

fn shown(text: &str) -> String {
    text.parse::<Reference>().map_or_else(|e| format!("error: {}", e.reason), |r| r.to_string())
}

#[test]
fn short_names_are_docker_hubs() {
    assert_eq!(shown("nginx"), "index.docker.io/library/nginx:latest");
    assert_eq!(shown("docker.io/nginx:1"), "index.docker.io/library/nginx:1");
    assert_eq!(shown("team/app"), "index.docker.io/team/app:latest");
}

#[test]
fn a_port_is_no_tag() {
    assert_eq!(shown("localhost:5000/app"), "localhost:5000/app:latest");
    assert_eq!(shown("127.0.0.1:5000/test/app:v1"), "127.0.0.1:5000/test/app:v1");
    assert_eq!(shown("[::1]:5000/app:v1"), "[::1]:5000/app:v1");
}

#[test]
fn a_digest_beside_a_tag_decides() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let text = format!("reg.example/app:latest@{digest}");
    let reference: Reference = text.parse().unwrap();
    assert_eq!(reference.to_string(), format!("reg.example/app@{digest}"));
    assert_eq!(reference.given_tag(), Some("latest"));
}

#[test]
fn what_is_no_name_is_refused() {
    for text in
        ["", "UPPER", "a b", "reg.example/", "reg.example/a//b", "reg.example/../x", "x@sha256:12", "x:"]
    {
        assert!(shown(text).starts_with("error"), "{text} -> {}", shown(text));
    }
}
