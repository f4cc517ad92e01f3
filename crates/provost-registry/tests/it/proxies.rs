//! Proxies: asked to connect, never told what goes through, never asked for local hosts.

use provost_oci::Repository;
use provost_registry::{Proxies, Remote, RemoteOptions, Store};

use crate::scripted::{Reply, Scripted, options, tag};

async fn through(proxy: &Scripted, allow_http: bool, registry: &str) -> Result<(), String> {
    let proxies = Proxies {
        https: Some(format!("http://u:p@{}", proxy.address)),
        http: Some(format!("http://{}", proxy.address)),
        except: String::new(),
    };
    let remote = Remote::new(RemoteOptions { proxies, allow_http, ..options() }).unwrap();
    let repository = Repository::new(registry, "team/app").unwrap();
    remote.manifest(&repository, &tag("v1")).await.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_registry_far_away_is_reached_through_the_proxy_and_only_by_https() {
    for allow_http in [false, true] {
        let proxy = Scripted::start(|_| Reply::status(502)).await;
        assert!(through(&proxy, allow_http, "reg.example.test").await.is_err());
        let seen = proxy.seen();
        assert_eq!(seen[0].line(), "CONNECT reg.example.test:443");
        assert_eq!(seen[0].header("proxy-authorization"), Some("Basic dTpw"));
        assert!(seen.iter().all(|seen| seen.method == "CONNECT"));
    }
}

#[tokio::test]
async fn a_local_registry_is_asked_directly() {
    let proxy = Scripted::start(|_| Reply::status(502)).await;
    let registry = Scripted::start(|_| Reply::ok("{}")).await;
    assert_eq!(through(&proxy, false, &registry.address).await, Ok(()));
    assert_eq!(proxy.seen().len(), 0);
}
