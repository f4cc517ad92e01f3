//! Warming up: the images of what runs already are looked at once after a start, behind everything else.
//!
//! A replica that was just started remembers nothing, and a node that goes down asks it about a hundred Pods at once.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use provost_gate::Gate;
use provost_kyverno::{Request, extract};
use provost_oci::Digest;
use tokio::sync::watch;

use crate::admission::Running;
use crate::cluster::Cluster;

/// Between two objects that are looked at: registries are others', so twenty a second.
const GAP: Duration = Duration::from_millis(50);
/// How long one object waits at most while requests are being answered.
const YIELDS: Duration = Duration::from_secs(1);
/// How many sets of images are remembered as seen, of 100 bytes each: a hundredfold of what clusters run.
const SEEN: usize = 50_000;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warmed {
    /// How many Pods run.
    pub pods: usize,
    /// How many of them were looked at: those with images that none before had in its namespace.
    pub looked_at: usize,
}

/// Looks at what runs once all is loaded that is judged by, and ends; `stop` ends it before.
pub async fn run(cluster: Cluster, gate: Arc<Gate>, say: crate::Say, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        warmed = warm(&cluster, &gate) => match warmed {
            Ok(Warmed { pods, looked_at }) => {
                say(&format!("warmed up: {looked_at} of {pods} Pods that run were looked at"));
            }
            Err(why) => say(&format!("not warmed up: {why}")),
        },
        _ = stop.wait_for(|stopped| *stopped) => {}
    }
}

/// # Errors
/// The API server's words.
async fn warm(cluster: &Cluster, gate: &Gate) -> Result<Warmed, String> {
    if gate.sights().clone().wait_for(|sight| sight.missing.is_empty()).await.is_err() {
        return Ok(Warmed::default());
    }
    let (mut seen, mut warmed) = (BTreeSet::new(), Warmed::default());
    let mut running = Running::of(cluster);
    while let Some(page) = running.page().await? {
        warmed.pods += page.len();
        for request in page {
            if seen.len() < SEEN && !seen.insert(images(&request)) {
                continue;
            }
            let quiet = async {
                while gate.is_answering() {
                    tokio::time::sleep(GAP).await;
                }
            };
            // Where there is never a quiet moment, requests warm up by themselves; slowly it goes on all the same.
            let _ = tokio::time::timeout(YIELDS, quiet).await;
            if gate.warm(&request).await {
                warmed.looked_at += 1;
                tokio::time::sleep(GAP).await;
            }
        }
    }
    Ok(warmed)
}

/// The namespace and the images of an object, as a digest.
fn images(request: &Request) -> Digest {
    let mut text = request.namespace.clone();
    for image in extract::strings(&request.object, &request.kind.kind) {
        let _ = write!(text, "\n{image:?}");
    }
    Digest::sha256_of(text.as_bytes())
}

#[cfg(test)]
mod tests;
