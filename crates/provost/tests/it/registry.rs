//! `provost registry` as it is started and stopped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::context::Context;

#[test]
fn it_serves_until_it_is_told_to_stop() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let context = Context::new();
        let mut child = context
            .command()
            .args(["registry", "--dir", "images", "--listen", "localhost:0", "--host", "hub.example"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut remarks = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        remarks.read_line(&mut line).unwrap();
        let address =
            line.trim().strip_prefix("serving images on http://").unwrap_or_else(|| panic!("{line}"));
        for (host, status) in [("localhost", "200"), ("hub.example", "200"), ("other.example", "403")] {
            let mut stream = TcpStream::connect(address).unwrap();
            write!(stream, "GET /v2/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert_eq!(answer.get(9..12), Some(status), "{host}");
        }
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        assert!(child.wait().unwrap().success(), "{signal}");
        let mut rest = String::new();
        remarks.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

#[test]
fn it_refuses_what_would_let_strangers_write() {
    let context = Context::new();
    let output = context.command().args(["registry", "--dir", "images", "--listen", ":0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let reason = "refused to listen on 0.0.0.0:0: beyond loopback a registry needs --read-only, or --tls-cert and \
                  --tls-key with --htpasswd";
    assert_eq!(said, format!("Error: {reason}\nerror during command execution: {reason}\n"));
    assert!(!context.folder().join("images").exists());

    let output = context.command().args(["registry", "--dir", "none", "--read-only"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("Error: none: "));
}
