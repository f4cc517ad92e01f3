//! Uploads under way: how many, whose, how big, and since when untouched.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;
use provost_oci::ErrorCode;
use provost_registry::layout::{Name, Upload};
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use crate::answer::Refusal;
use crate::config::{Clock, Limits};

/// All uploads under way.
pub(crate) struct Sessions {
    open: Mutex<HashMap<Uuid, Arc<Session>>>,
    limit: usize,
    idle: Duration,
    clock: Clock,
}

/// One upload under way.
pub(crate) struct Session {
    pub(crate) id: Uuid,
    pub(crate) name: Name,
    touched: Mutex<Instant>,
    upload: Arc<tokio::sync::Mutex<Option<Upload>>>,
    /// Counted against the disk's limit until the session ends.
    reserved: Reservation,
}

/// The right to go on with an upload: one request at a time has it.
pub(crate) type Turn = OwnedMutexGuard<Option<Upload>>;

impl Sessions {
    pub(crate) fn new(limits: &Limits, clock: Clock) -> Self {
        let (limit, idle) = (limits.sessions, limits.session_idle);
        Self { open: Mutex::default(), limit, idle, clock }
    }

    /// Opens a session, once those that nobody has touched for too long are gone.
    pub(crate) fn open(
        &self,
        name: &Name,
        upload: Upload,
        disk: &Arc<Disk>,
    ) -> Result<Arc<Session>, Refusal> {
        let now = (self.clock)();
        let mut open = lock(&self.open);
        open.retain(|_, session| !self.is_stale(session, now));
        if open.len() >= self.limit {
            let reason = format!("{} uploads are open, the limit: finish or cancel one", open.len());
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, reason)
                .with(http::header::RETRY_AFTER, "1"));
        }
        let session = Arc::new(Session {
            id: Uuid::new_v4(),
            name: name.clone(),
            touched: Mutex::new(now),
            upload: Arc::new(tokio::sync::Mutex::new(Some(upload))),
            reserved: Reservation { disk: Arc::clone(disk), bytes: AtomicU64::new(0) },
        });
        open.insert(session.id, Arc::clone(&session));
        Ok(session)
    }

    /// The session of this id in this repository.
    pub(crate) fn find(&self, name: &Name, id: &str) -> Result<Arc<Session>, Refusal> {
        let unknown =
            || Refusal::new(StatusCode::NOT_FOUND, ErrorCode::BlobUploadUnknown, format!("no upload {id:?}"));
        let id = id.parse::<Uuid>().map_err(|_| unknown())?;
        let now = (self.clock)();
        let mut open = lock(&self.open);
        let session = open.get(&id).filter(|session| session.name == *name).cloned().ok_or_else(unknown)?;
        if self.is_stale(&session, now) {
            open.remove(&id);
            return Err(unknown());
        }
        *lock(&session.touched) = now;
        Ok(session)
    }

    /// Notes that a session has just been worked on.
    pub(crate) fn touch(&self, session: &Session) {
        *lock(&session.touched) = (self.clock)();
    }

    /// Forgets a session; its bytes go with the last who holds it.
    pub(crate) fn close(&self, session: &Session) {
        lock(&self.open).remove(&session.id);
    }

    fn is_stale(&self, session: &Session, now: Instant) -> bool {
        let busy = session.upload.try_lock().is_err();
        !busy && now.saturating_duration_since(*lock(&session.touched)) > self.idle
    }
}

impl Session {
    /// Takes the turn; refused while another request has it.
    pub(crate) fn turn(&self) -> Result<Turn, Refusal> {
        Arc::clone(&self.upload).try_lock_owned().map_err(|_| {
            let reason = "another request is writing to this upload";
            Refusal::new(StatusCode::CONFLICT, ErrorCode::BlobUploadInvalid, reason)
        })
    }

    /// Makes room on disk for these bytes, before they are written.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<(), Refusal> {
        self.reserved.disk.take(bytes)?;
        self.reserved.bytes.fetch_add(bytes, Ordering::AcqRel);
        Ok(())
    }

    /// The bytes have become part of the layout and stay counted.
    pub(crate) fn keep(&self) {
        self.reserved.bytes.store(0, Ordering::Release);
    }
}

/// How much of the disk is taken, where that is bounded.
pub(crate) struct Disk {
    limit: Option<u64>,
    taken: AtomicU64,
}

impl Disk {
    pub(crate) fn new(limit: Option<u64>, taken: u64) -> Arc<Self> {
        Arc::new(Self { limit, taken: AtomicU64::new(taken) })
    }

    /// Takes bytes, or refuses where the limit would be passed.
    pub(crate) fn take(&self, bytes: u64) -> Result<(), Refusal> {
        let Some(limit) = self.limit else { return Ok(()) };
        let room = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= limit);
        match self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, room) {
            Ok(_) => Ok(()),
            Err(taken) => {
                let reason =
                    format!("the registry holds {taken} bytes, {bytes} more would pass its limit {limit}");
                Err(Refusal::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::Denied, reason))
            }
        }
    }

    /// Gives bytes back.
    pub(crate) fn give(&self, bytes: u64) {
        if self.limit.is_some() {
            self.taken.fetch_sub(bytes, Ordering::AcqRel);
        }
    }
}

struct Reservation {
    disk: Arc<Disk>,
    bytes: AtomicU64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.disk.give(self.bytes.load(Ordering::Acquire));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
