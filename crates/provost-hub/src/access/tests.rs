//! Hosts that are this machine, and hosts that only look like it.

use super::{is_listed, is_loopback};

#[test]
fn loopback_is_loopback_in_every_spelling() {
    for host in ["localhost", "LOCALHOST", "localhost.", "hub.localhost", "127.0.0.1", "127.9.9.9", "[::1]"] {
        assert!(is_loopback(host), "{host}");
    }
    for host in
        ["localhost.example.com", "notlocalhost", "127.0.0.1.example.com", "10.0.0.1", "[::]", "0.0.0.0", ""]
    {
        assert!(!is_loopback(host), "{host}");
    }
}

#[test]
fn a_listed_host_counts_with_any_port_unless_it_names_one() {
    let named = "Registry.example.com:5000".parse().expect("an authority");
    assert!(is_listed("registry.example.com", &named));
    assert!(is_listed("registry.example.com:5000", &named));
    assert!(!is_listed("registry.example.com:443", &named));
    assert!(!is_listed("example.com", &named));
}
