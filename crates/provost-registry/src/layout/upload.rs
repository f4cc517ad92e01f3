//! A blob on its way in: written in pieces, hashed as it comes, put in place under its digest at the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use provost_oci::{Algorithm, Digest, Hasher};

use super::blobs::hash;
use super::disk::{Draft, failed, lock};
use super::name::Name;
use super::{Inner, Layout};
use crate::StoreError;

/// A blob that has been begun; dropping it forgets it.
pub struct Upload {
    inner: Arc<Inner>,
    written: Arc<Written>,
}

struct Written {
    length: AtomicU64,
    // Behind a lock of its own, so that a write outlives the request that asked for it.
    state: Mutex<State>,
}

struct State {
    draft: Option<Draft>,
    hasher: Option<Hasher>,
}

impl Upload {
    pub(super) fn begin(inner: &Arc<Inner>) -> Result<Self, StoreError> {
        let draft = Draft::new(inner.work()?)?;
        let state = State { draft: Some(draft), hasher: Some(Hasher::new(Algorithm::Sha256)) };
        let written = Written { length: AtomicU64::new(0), state: Mutex::new(state) };
        Ok(Self { inner: Arc::clone(inner), written: Arc::new(written) })
    }

    /// How many bytes have been written.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.written.length.load(Ordering::Acquire)
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// When the disk fails; the upload then takes no more.
    pub async fn write(&self, pieces: Vec<Bytes>) -> Result<(), StoreError> {
        let written = Arc::clone(&self.written);
        Layout::blocking(&self.inner, move |inner| {
            let mut state = lock(&written.state);
            // Taken while writing: after a failure nobody knows how much of the piece has landed.
            let Some(mut draft) = state.draft.take() else { return Err(spent(inner)) };
            for piece in pieces {
                draft.write(&piece)?;
                if let Some(hasher) = &mut state.hasher {
                    hasher.update(&piece);
                }
                written.length.fetch_add(piece.len() as u64, Ordering::AcqRel);
            }
            state.draft = Some(draft);
            Ok(())
        })
        .await
    }

    /// Checks the bytes against the digest and stores them as a blob of this repository, durable on return; says
    /// whether the layout has grown by them.
    ///
    /// # Errors
    /// [`StoreError::DigestMismatch`] when the bytes have another digest; they are then forgotten.
    pub async fn finish(self, name: &Name, expected: &Digest) -> Result<bool, StoreError> {
        let (name, expected) = (name.clone(), expected.clone());
        Layout::blocking(&self.inner, move |inner| {
            let mut state = lock(&self.written.state);
            let Some(draft) = state.draft.take() else { return Err(spent(inner)) };
            let found = match (expected.algorithm(), state.hasher.take()) {
                (Algorithm::Sha256, Some(hasher)) => hasher.finish(),
                _ => hash(draft.file(), &expected).map_err(|e| failed(&inner.root, &e))?,
            };
            if found != expected {
                let request = format!("{name}@{expected}");
                return Err(StoreError::DigestMismatch { request, expected, found });
            }
            inner.store_blob(&name, &expected, draft)
        })
        .await
    }
}

fn spent(inner: &Inner) -> StoreError {
    let cause = "an earlier write of this upload failed".to_owned();
    StoreError::Disk { path: inner.root.join("uploads").display().to_string(), cause }
}
