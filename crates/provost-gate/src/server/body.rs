//! Bodies, read within what all of them together may take.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body;
use provost_kyverno::request::read::{REVIEW_LIMIT, uid_in};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::reply::{refusal, text};

/// What memory is counted in: 4 KiB.
const PAGE: usize = 4096;

/// The memory for bodies. Who sends slowly holds only what has come, and there is no waiting: those who wait for each
/// other would all wait.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Semaphore>);

/// A body, and its share of the memory.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bytes: Vec<u8>,
    _share: Option<OwnedSemaphorePermit>,
}

/// Why a body was not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is longer than a review may be; what could be its identifier.
    TooLong(String),
    /// There is no memory for it now.
    TooMany,
    /// The client broke off.
    Broken,
}

impl Unread {
    pub(super) fn answer(&self) -> Response<Full<Bytes>> {
        match self {
            Self::TooLong(uid) if uid.is_empty() => {
                text(StatusCode::PAYLOAD_TOO_LARGE, format!("longer than {REVIEW_LIMIT} bytes"))
            }
            Self::TooLong(uid) => refusal(uid, format!("longer than {REVIEW_LIMIT} bytes")),
            Self::TooMany => text(StatusCode::SERVICE_UNAVAILABLE, "too many requests are being read"),
            Self::Broken => text(StatusCode::BAD_REQUEST, "the body broke off"),
        }
    }
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.div_ceil(PAGE))))
    }

    /// Reads a body to its end.
    pub(super) async fn read<B>(&self, body: B) -> Result<Held, Unread>
    where
        B: Body<Data = Bytes>,
    {
        let mut body = std::pin::pin!(body);
        let mut bytes: Vec<u8> = Vec::new();
        let mut share: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Err(Unread::Broken) };
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > REVIEW_LIMIT {
                let uid = uid_in(if bytes.is_empty() { data.as_ref() } else { bytes.as_slice() });
                drop((bytes, share));
                pass_over(body).await;
                return Err(Unread::TooLong(uid));
            }
            let held = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let needed = (bytes.len() + data.len()).div_ceil(PAGE).saturating_sub(held);
            if needed > 0 {
                let needed = u32::try_from(needed).map_err(|_| Unread::TooMany)?;
                let more = Arc::clone(&self.0).try_acquire_many_owned(needed).map_err(|_| Unread::TooMany)?;
                match &mut share {
                    None => share = Some(more),
                    Some(share) => share.merge(more),
                }
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Held { bytes, _share: share })
    }
}

/// Reads on for as much again and keeps nothing of it: a client that is answered in the middle of its body may take that for
/// a broken connection.
async fn pass_over<B: Body<Data = Bytes>>(mut body: std::pin::Pin<&mut B>) {
    let mut passed = 0;
    while passed < REVIEW_LIMIT {
        let Some(Ok(frame)) = body.frame().await else { return };
        passed += frame.into_data().map_or(0, |data| data.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies_share_a_memory_that_comes_back() {
        let budget = Budget::new(3 * PAGE);
        let body = |bytes: usize| Full::new(Bytes::from(vec![b' '; bytes]));
        let one = budget.read(body(2 * PAGE)).await.unwrap();
        assert_eq!(one.bytes.len(), 2 * PAGE);
        assert_eq!(budget.read(body(PAGE + 1)).await.unwrap_err(), Unread::TooMany);
        drop(one);
        assert!(budget.read(body(PAGE + 1)).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_known_by_its_identifier() {
        let mut bytes = br#"{"request":{"uid":"a-1""#.to_vec();
        bytes.resize(REVIEW_LIMIT + 1, b' ');
        let read = Budget::new(super::super::BODIES_LIMIT).read(Full::new(Bytes::from(bytes))).await;
        assert_eq!(read.unwrap_err(), Unread::TooLong("a-1".to_owned()));
    }
}
