//! What is not opened, and how much is read.

use provost_kms::{ANSWER_LIMIT, KmsError, KmsKind};

use crate::server::{Server, opener};

#[tokio::test]
async fn only_the_kinds_that_were_allowed_are_opened() {
    for reference in [
        "hashivault://k",
        "awskms:///alias/k",
        "gcpkms://x",
        "azurekms://x/y",
        "my-hsm://k",
        "pkcs11:token=a",
    ] {
        let kind = KmsKind::of(reference).unwrap();
        let others: Vec<_> = KmsKind::ALL.into_iter().filter(|one| *one != kind).collect();
        let refused = KmsError::NotAllowed { reference: reference.to_owned(), kind };
        assert_eq!(opener(&[], &others).signer(reference).await.unwrap_err(), refused);
        assert_eq!(opener(&[], &others).public_key(reference).await.unwrap_err(), refused);
        assert_eq!(opener(&[], &others).create(reference).await.unwrap_err(), refused);
    }
    for other in ["cosign.key", "env://X", "https://h/k", "k8s://a/b", "github://a/b"] {
        assert_eq!(KmsKind::of(other), None, "{other}");
    }
}

#[tokio::test]
async fn an_answer_has_a_limit() {
    let server = Server::new(|_| (200, " ".repeat(ANSWER_LIMIT + 1)));
    let address = format!("http://{}", server.address);
    let open = opener(&[("VAULT_ADDR", &address), ("VAULT_TOKEN", "t")], &[KmsKind::Vault]);
    let error = open.public_key("hashivault://k").await.unwrap_err();
    assert!(matches!(error, KmsError::TooLong { limit: ANSWER_LIMIT, .. }), "{error}");
}

#[tokio::test]
async fn a_strangers_words_are_bounded_and_plain() {
    let server = Server::new(|_| (500, format!(r#"{{"errors": ["\u001b[31m{}"]}}"#, "x".repeat(2000))));
    let address = format!("http://{}", server.address);
    let open = opener(&[("VAULT_ADDR", &address), ("VAULT_TOKEN", "t")], &[KmsKind::Vault]);
    let KmsError::Refused { message, .. } = open.public_key("hashivault://k").await.unwrap_err() else {
        panic!()
    };
    assert!(message.len() <= 512 && message.starts_with("[31mx"), "{message}");
}
