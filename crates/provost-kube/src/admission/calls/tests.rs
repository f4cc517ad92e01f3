//! What calls of policies may reach, and with what.

use std::collections::BTreeMap;

use serde_json::Map;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::cluster::Cluster;

/// A server that answers every request with this, and what it was asked.
async fn server(answer: String) -> (std::net::SocketAddr, tokio::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, asked) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = vec![0; 4096];
            let read = stream.read(&mut text).await.unwrap_or_default();
            let _ = told.send(String::from_utf8_lossy(&text[..read]).into_owned()).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, asked)
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn calls(server: std::net::SocketAddr) -> Calls {
    let mut config = kube::config::Config::new(format!("http://{server}").parse().unwrap());
    config.auth_info.token = Some(String::from("our-token").into());
    let cluster = Cluster::of(config).unwrap();
    Calls::new(cluster.client, RemoteOptions::default(), Duration::from_secs(5))
}

fn to_path(path: &str) -> Call {
    Call { method: Method::Get, target: Target::Path(path.to_owned()), data: Map::new() }
}

#[tokio::test]
async fn the_api_server_gets_our_token_and_a_service_does_not() {
    let (address, mut asked) = server(answer("200 OK", r#"{"items": [1]}"#)).await;
    let calls = calls(address);
    let found = calls.answer(&to_path("/api/v1/namespaces/a/pods")).await.unwrap();
    assert_eq!(found["items"][0], 1);
    let request = asked.recv().await.unwrap().to_lowercase();
    assert!(request.starts_with("get /api/v1/namespaces/a/pods "), "{request}");
    assert!(request.contains("authorization: bearer our-token"), "{request}");
    let target = Target::Service {
        url: format!("http://{address}/check"),
        headers: vec![("X-Own".to_owned(), "yes".to_owned())],
        ca_bundle: String::new(),
    };
    let data = BTreeMap::from([("a".to_owned(), Value::from(1))]).into_iter().collect();
    calls.answer(&Call { method: Method::Post, target, data }).await.unwrap();
    let request = asked.recv().await.unwrap().to_lowercase();
    assert!(request.starts_with("post /check ") && request.contains("x-own: yes"), "{request}");
    assert!(!request.contains("authorization") && request.ends_with(r#"{"a":1}"#), "{request}");
}

#[tokio::test]
async fn redirects_refusals_and_garbage_are_no_answers() {
    let (elsewhere, mut asked) = server(answer("200 OK", "{}")).await;
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    for (said, words) in [
        (redirect, "HTTP 302"),
        (answer("403 Forbidden", r#"{"message": "no\u0007t for you"}"#), "HTTP 403: not for you"),
        (answer("200 OK", "<html>"), "is no JSON"),
    ] {
        let (address, _asked) = server(said).await;
        let calls = calls(address);
        let target = Target::Service {
            url: format!("http://{address}/"),
            headers: Vec::new(),
            ca_bundle: String::new(),
        };
        for call in [to_path("/api/v1/pods"), Call { target, ..to_path("/") }] {
            let error = calls.answer(&call).await.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
    assert!(asked.try_recv().is_err());
    let calls = calls(elsewhere);
    assert!(calls.answer(&to_path("/api/../secrets")).await.is_err());
}
