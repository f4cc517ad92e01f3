//! A registry that is asked over the network, as a [`Store`].

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use provost_oci::{Descriptor, Digest, Repository, Selector};

use crate::address_rule::AddressRule;
use crate::keychain::Keychain;
use crate::proxy::Proxies;
use crate::referrers::{ReferrersSwitch, may_have_subject, subject_of};
use crate::retry::RetryPolicy;
use crate::store::{Manifest, Store, StoreError};
use crate::tls::TlsOptions;
use crate::trace::Trace;
use crate::transport::Transport;

/// How registries are reached. Nothing here is read from the environment: the face passes everything.
#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// Plain http is tried beside https at every registry, not only at local ones: `--allow-http-registry`.
    pub allow_http: bool,
    /// Certificates, ours and theirs.
    pub tls: TlsOptions,
    /// Where credentials are found. For those of flags: `Keychain::default().with(GivenCredential(…))`.
    pub keychain: Keychain,
    /// What we call ourselves.
    pub user_agent: String,
    /// Where the referrers API is not asked.
    pub referrers: ReferrersSwitch,
    /// Which addresses may be asked.
    pub addresses: AddressRule,
    /// Through which proxies registries are reached.
    pub proxies: Proxies,
    /// When a request is sent again.
    pub retry: RetryPolicy,
    /// Who is told of each request.
    pub trace: Trace,
}

impl Default for RemoteOptions {
    /// Outside a cluster, without credentials.
    fn default() -> Self {
        Self {
            allow_http: false,
            tls: TlsOptions::default(),
            keychain: Keychain::anonymous(),
            user_agent: concat!("provost/", env!("CARGO_PKG_VERSION")).to_owned(),
            referrers: ReferrersSwitch::default(),
            addresses: AddressRule::default(),
            proxies: Proxies::default(),
            retry: RetryPolicy::default(),
            trace: Trace::default(),
        }
    }
}

/// A client for all registries; clones share connections, tokens and what has been learned about schemes.
#[derive(Clone)]
pub struct Remote {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Transport,
    referrers: ReferrersSwitch,
    /// Held while a fallback tag is rewritten, so that the writers of one process do not undo each other.
    fallback: tokio::sync::Mutex<()>,
}

impl Remote {
    /// A client with these options. Certificates of registries are not needed before the first TLS handshake and
    /// are read only then.
    ///
    /// # Errors
    /// [`StoreError::Disk`] or [`StoreError::Malformed`] when the client certificate, a proxy or the user agent
    /// cannot be used.
    pub fn new(options: RemoteOptions) -> Result<Self, StoreError> {
        let transport = Transport::new(&options)?;
        let referrers = options.referrers;
        Ok(Self { inner: Arc::new(Inner { transport, referrers, fallback: tokio::sync::Mutex::new(()) }) })
    }

    /// Makes a blob of another repository of the same registry available in this one without moving its bytes.
    /// `false` where the registry wants an upload instead.
    ///
    /// # Errors
    /// As [`Store::put_blob`].
    pub async fn mount_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        from: &Repository,
    ) -> Result<bool, StoreError> {
        self.inner.transport.mount_blob(repository, digest, from).await
    }

    /// Writes a blob into a new file, of exactly the size its descriptor states, checked as it streams. A file that
    /// was begun and failed may be left behind; only after `Ok` does it hold the blob.
    ///
    /// # Errors
    /// As [`Store::blob`]; [`StoreError::Disk`] where the file cannot be written.
    pub async fn blob_to_file(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        file: &Path,
    ) -> Result<(), StoreError> {
        self.inner.transport.blob_to_file(repository, blob, file).await
    }

    /// Uploads a file as a blob unless the blob is there. The registry checks the digest: the file is not read twice.
    ///
    /// # Errors
    /// As [`Store::put_blob`]; [`StoreError::Disk`] where the file cannot be read.
    pub async fn put_blob_file(
        &self,
        repository: &Repository,
        digest: &Digest,
        file: &Path,
    ) -> Result<(), StoreError> {
        self.inner.transport.put_blob_file(repository, digest, file).await
    }

    /// Deletes a tag or a manifest.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none; [`StoreError::Status`] where the registry does not delete (405), or not
    /// by tag (400).
    pub async fn delete(&self, repository: &Repository, which: &Selector) -> Result<(), StoreError> {
        self.inner.transport.delete(repository, which).await
    }
}

#[async_trait]
impl Store for Remote {
    async fn manifest(&self, repository: &Repository, which: &Selector) -> Result<Manifest, StoreError> {
        self.inner.transport.manifest(repository, which).await
    }

    async fn manifest_unless(
        &self,
        repository: &Repository,
        tag: &Selector,
        known: &Digest,
    ) -> Result<Option<Manifest>, StoreError> {
        self.inner.transport.manifest_unless(repository, tag, known).await
    }

    async fn resolve(&self, repository: &Repository, which: &Selector) -> Result<Descriptor, StoreError> {
        self.inner.transport.resolve(repository, which).await
    }

    async fn blob(&self, repository: &Repository, digest: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        self.inner.transport.blob(repository, digest, limit).await
    }

    async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, StoreError> {
        self.inner.transport.has_blob(repository, digest).await
    }

    async fn put_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, StoreError> {
        self.inner.transport.put_blob(repository, media_type, bytes).await
    }

    async fn put_new_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, StoreError> {
        self.inner.transport.put_new_blob(repository, media_type, bytes).await
    }

    async fn put_manifest(
        &self,
        repository: &Repository,
        which: &Selector,
        manifest: &Manifest,
    ) -> Result<Digest, StoreError> {
        let found = Digest::of(manifest.digest.algorithm(), &manifest.bytes);
        let expected = match which {
            Selector::Digest(digest) => digest,
            Selector::Tag(_) => &manifest.digest,
        };
        if found != *expected || found != manifest.digest {
            let (request, expected) = (format!("{repository}@{expected}"), expected.clone());
            return Err(StoreError::DigestMismatch { request, expected, found });
        }
        let Inner { transport, referrers, fallback } = &*self.inner;
        let stored = transport.put_manifest(repository, which, manifest).await?;
        // A reader whose switch is off looks at the tag only, so it is kept up there too.
        let listed = stored.knows_subject && referrers.is_on(repository.registry());
        if !listed
            && may_have_subject(&manifest.media_type)
            && let Some((subject, entry)) = subject_of(manifest)
        {
            let _writing = fallback.lock().await;
            transport.list_by_tag(repository, &subject, &entry).await?;
        }
        Ok(found)
    }

    async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError> {
        let Inner { transport, referrers, .. } = &*self.inner;
        if referrers.is_on(repository.registry())
            && let Some(found) = transport.referrers_by_api(repository, digest).await?
        {
            return Ok(found);
        }
        transport.referrers_by_tag(repository, digest).await
    }

    async fn tags(&self, repository: &Repository) -> Result<Vec<String>, StoreError> {
        self.inner.transport.tags(repository).await
    }
}
