//! Which hosts are local, which URLs lead inside, and what the paths look like.

use provost_oci::{Repository, Selector};
use url::Url;

use super::{Endpoint, Scheme, is_own_machine, leads_inside, manifest_path};

fn endpoint(registry: &str) -> Endpoint {
    Endpoint::of(&Repository::new(registry, "team/app").unwrap()).unwrap()
}

#[test]
fn local_hosts_are_those_of_security_24() {
    for local in [
        "127.0.0.1:5000",
        "127.9.9.9",
        "localhost",
        "localhost:5000",
        "a.localhost:1",
        "reg.local",
        "reg.local:5000",
        "10.1.2.3",
        "172.16.0.1:80",
        "172.31.255.255",
        "192.168.1.1:5000",
        "[::1]:5000",
        "[::ffff:10.0.0.1]",
        "0x7f.1",
    ] {
        assert!(endpoint(local).is_local(), "{local}");
    }
    for remote in [
        "ghcr.io",
        "172.32.0.1",
        "8.8.8.8:5000",
        "local",
        "notlocalhost",
        "localhost.example.test",
        "[fd00::1]:5000",
    ] {
        assert!(!endpoint(remote).is_local(), "{remote}");
    }
}

#[test]
fn urls_keep_the_port_and_default_by_scheme() {
    let plain = endpoint("127.0.0.1:5000");
    assert_eq!(plain.url(Scheme::Http, "/v2/").as_str(), "http://127.0.0.1:5000/v2/");
    let default = endpoint("reg.local:443");
    assert_eq!(default.url(Scheme::Http, "/v2/").as_str(), "http://reg.local:443/v2/");
    assert_eq!(default.url(Scheme::Https, "/v2/").as_str(), "https://reg.local/v2/");
    assert_eq!((plain.port(Scheme::Http), plain.port(Scheme::Https)), (5000, 5000));
    let bare = endpoint("reg.local");
    assert_eq!((bare.port(Scheme::Http), bare.port(Scheme::Https)), (80, 443));
    assert_eq!(endpoint("[::1]:5000").port(Scheme::Http), 5000);
    assert_eq!(endpoint("[::1]").port(Scheme::Http), 80);
}

#[test]
fn a_query_stays_a_query() {
    let tags = endpoint("reg.local").url(Scheme::Https, "/v2/app/tags/list?n=1000&last=a%2Fb");
    assert_eq!(tags.as_str(), "https://reg.local/v2/app/tags/list?n=1000&last=a%2Fb");
}

#[test]
fn an_endpoint_owns_its_own_host_and_port_only() {
    let own = endpoint("reg.example.test:5000");
    let owns = |text: &str| own.owns(&Url::parse(text).unwrap());
    assert!(owns("https://reg.example.test:5000/token") && owns("http://reg.example.test:5000/"));
    assert!(!owns("https://reg.example.test/") && !owns("https://other.example.test:5000/"));
    assert!(endpoint("reg.example.test").owns(&Url::parse("https://reg.example.test:443/x").unwrap()));
}

#[test]
fn literals_that_lead_inside_are_seen_in_every_spelling() {
    for inside in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "https://10.0.0.1/",
        "https://192.168.0.1/",
        "https://169.254.169.254/",
        "http://0.0.0.0/",
        "http://localhost:1/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://a.localhost./",
    ] {
        assert!(leads_inside(&Url::parse(inside).unwrap()), "{inside}");
    }
    for outside in ["https://auth.example.test/", "https://8.8.8.8/", "https://[2001:db8::1]/"] {
        assert!(!leads_inside(&Url::parse(outside).unwrap()), "{outside}");
    }
}

#[test]
fn the_own_machine_is_loopback_and_link() {
    for own in ["127.0.0.1", "169.254.1.1", "::1", "fe80::1", "0.0.0.0", "::", "::ffff:127.0.0.1"] {
        assert!(is_own_machine(own.parse().unwrap()), "{own}");
    }
    for other in ["10.0.0.1", "192.168.0.1", "fd00::1", "8.8.8.8"] {
        assert!(!is_own_machine(other.parse().unwrap()), "{other}");
    }
}

#[test]
fn a_tag_that_is_no_tag_makes_no_url() {
    let repository = Repository::new("reg.example.test", "team/app").unwrap();
    for bad in ["", "..", "a/b", "a?b", "a b", "a#b", "a%2fb"] {
        assert!(manifest_path(&repository, &Selector::Tag(bad.into())).is_err(), "{bad}");
    }
    let good = manifest_path(&repository, &Selector::Tag("v1.0_a-b".into())).unwrap();
    assert_eq!(good, "/v2/team/app/manifests/v1.0_a-b");
}
