//! The addresses that are served, and stopping without breaking off.

use std::future::{Future, pending};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use provost_gate::Gate;
use provost_gate::metrics::{Counted, Metrics};
use provost_gate::server::{ExceptionScope, Metrics as MetricsText, Plain, Readiness, Say, Webhooks, limits};
use provost_serve::{Certificates, Server, Tls, read_file};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::Args;
use crate::face::Face;
use crate::failure::Failure;

/// What is served where.
pub(super) struct Serving {
    webhooks: Server,
    plain: Option<Server>,
    signals: (Signal, Signal),
    delay: Duration,
}

/// The parts behind it.
pub(super) struct Behind {
    pub(super) gate: Arc<Gate>,
    pub(super) readiness: Readiness,
    pub(super) exceptions: ExceptionScope,
    pub(super) metrics: Arc<Metrics>,
    pub(super) say: Say,
}

impl Serving {
    /// Listens, so that an address that cannot be had is known before any work begins.
    pub(super) async fn bind(
        args: &Args,
        certificates: Certificates,
        clustered: bool,
    ) -> Result<Self, Failure> {
        let client_authorities = match &args.client_ca {
            None => None,
            Some(file) => Some(
                read_file(file)
                    .map_err(|why| Failure::new(format!("--client-ca {}: {why}", file.display())))?,
            ),
        };
        let every = |port: u16| format!("0.0.0.0:{port}");
        let listen = args.listen.clone().unwrap_or_else(|| every(args.kyverno.webhook_server_port));
        let plain = args.plain_address.clone().unwrap_or_else(|| match clustered {
            true if !args.kyverno.disable_metrics => every(args.kyverno.metrics_port),
            _ => String::new(),
        });
        let tls = Tls { certificates, client_authorities };
        let webhooks = Server::bind(address("--listen", &listen)?, Some(&tls), limits()).await?;
        let plain = match plain.as_str() {
            "" => None,
            plain => Some(Server::bind(address("--plain-address", plain)?, None, limits()).await?),
        };
        let after = if clustered { Duration::from_secs(5) } else { Duration::ZERO };
        // Caught from here on, so that whoever reads that we serve may end us at once.
        let signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let delay = args.shutdown_delay.unwrap_or(after);
        Ok(Self { webhooks, plain, signals, delay })
    }

    /// Answers until a signal comes or `other` ends by itself, whose word that is then. `stop_told` hears that all is
    /// answered.
    pub(super) async fn run(
        self,
        behind: Behind,
        other: impl Future<Output = Result<(), Failure>>,
        stop_told: watch::Sender<bool>,
        face: &Face,
    ) -> Result<(), Failure> {
        let Self { webhooks, plain, signals: (mut interrupt, mut terminate), delay, .. } = self;
        let Behind { gate, readiness, exceptions, metrics, say } = behind;
        let counted = Arc::clone(&metrics);
        let text: MetricsText = Arc::new(move || counted.text());
        face.say(format!("answering on {}", webhooks.url()));
        if let Some(plain) = &plain {
            face.say(format!("health and metrics on {}", plain.url()));
        }
        let (end, ended) = watch::channel(false);
        let told = |mut ended: watch::Receiver<bool>| async move {
            let _ = ended.wait_for(|end| *end).await;
        };
        let webhook = Webhooks::new(gate, readiness.clone(), exceptions, Arc::clone(&say));
        let answers = Arc::new(Counted::new(webhook, metrics));
        let mut answering = tokio::spawn(webhooks.serve(answers, told(ended.clone())));
        let health = Arc::new(Plain::new(readiness.clone(), Some(text), Arc::clone(&say)));
        let beside = plain.map(|plain| tokio::spawn(plain.serve(health, told(ended))));
        let mut other = std::pin::pin!(other);
        let broken = tokio::select! {
            _ = interrupt.recv() => None,
            _ = terminate.recv() => None,
            result = &mut other => Some(result),
        };
        readiness.stop();
        if broken.is_none() {
            (say)("stopping: what is asked is still answered, then it ends");
            // The other side of our work goes on meanwhile: what is asked is judged by what holds.
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                _ = &mut other => {}
            }
        }
        end.send_replace(true);
        let _ = (&mut answering).await;
        if let Some(beside) = beside {
            let _ = beside.await;
        }
        stop_told.send_replace(true);
        match broken {
            Some(result) => result,
            None => Ok(()),
        }
    }
}

/// Nothing beside the servers, for ever.
pub(super) async fn nothing_else() -> Result<(), Failure> {
    pending().await
}

/// An address as Go writes it: without a host, every interface.
fn address(flag: &str, text: &str) -> Result<SocketAddr, Failure> {
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    let unusable = |cause: String| Failure::new(format!("{flag} {text:?}: {cause}"));
    let mut found = full.to_socket_addrs().map_err(|error| unusable(error.to_string()))?;
    found.next().ok_or_else(|| unusable("the host has no address".to_owned()))
}
