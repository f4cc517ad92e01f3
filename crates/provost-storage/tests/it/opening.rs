//! Storages that cannot be opened, and why.

#[cfg(any(
    not(any(feature = "gcs", feature = "grafeas", feature = "docdb", feature = "pubsub")),
    all(feature = "gcs", feature = "grafeas", feature = "docdb", feature = "pubsub")
))]
use provost_storage::StorageError;
use provost_storage::StorageKind;

use crate::scene::opened;

#[test]
fn a_setting_that_is_missing_is_named() {
    let error = opened(StorageKind::Archivista, &[("storage.archivista.url", "  ")], &[]).unwrap_err();
    assert_eq!(error.to_string(), "storage archivista: storage.archivista.url: is not set in chains-config");
    let error =
        opened(StorageKind::Archivista, &[("storage.archivista.url", "file:///etc")], &[]).unwrap_err();
    assert!(error.to_string().ends_with("is no address like https://HOST"), "{error}");
}

#[cfg(not(any(feature = "gcs", feature = "grafeas", feature = "docdb", feature = "pubsub")))]
#[test]
fn a_storage_that_was_left_out_says_so() {
    for (kind, feature) in [
        (StorageKind::Gcs, "storage-gcs"),
        (StorageKind::Grafeas, "storage-grafeas"),
        (StorageKind::DocDb, "storage-docdb"),
        (StorageKind::Kafka, "storage-pubsub"),
    ] {
        let error = opened(kind, &[], &[]).unwrap_err();
        assert!(matches!(error, StorageError::CompiledOut { .. }));
        let text = error.to_string();
        assert!(text.contains(feature) && text.contains(kind.name()), "{text}");
    }
}

#[cfg(all(feature = "gcs", feature = "grafeas", feature = "docdb", feature = "pubsub"))]
#[test]
fn every_storage_names_the_first_setting_it_lacks() {
    for (kind, setting) in [
        (StorageKind::Gcs, "storage.gcs.bucket"),
        (StorageKind::Grafeas, "storage.grafeas.projectid"),
        (StorageKind::DocDb, "storage.docdb.url"),
        (StorageKind::Kafka, "storage.pubsub.provider"),
    ] {
        let error = opened(kind, &[], &[]).unwrap_err();
        let StorageError::Setting { setting: found, .. } = error else { panic!("{error}") };
        assert_eq!(found, setting);
    }
}
