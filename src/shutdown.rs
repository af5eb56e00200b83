//! The end of the daemon: one object for threads and for tokio. The first signal drains, the second is final.

use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Exit code where the end had to be forced.
const FORCED: i32 = 1;

/// Told once that the daemon is to end. Clones share it.
#[derive(Debug, Clone)]
pub struct Shutdown {
    told: watch::Receiver<bool>,
    tell: Arc<watch::Sender<bool>>,
}

impl Shutdown {
    /// Listens for SIGTERM and SIGINT on `runtime`, and ends by itself after a while where that is asked for.
    pub fn listen(runtime: &tokio::runtime::Handle, after: Option<Duration>) -> std::io::Result<Shutdown> {
        let (tell, told) = watch::channel(false);
        let shutdown = Shutdown { told, tell: Arc::new(tell) };
        let _inside = runtime.enter();
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let tell = Arc::clone(&shutdown.tell);
        runtime.spawn(async move {
            let over = async {
                match after {
                    Some(after) => tokio::time::sleep(after).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {}, () = over => {} }
            tell.send_replace(true);
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            tracing::warn!("told twice to end: ends at once");
            process::exit(FORCED);
        });
        Ok(shutdown)
    }

    /// Waits, on a thread.
    pub fn wait(&self, runtime: &tokio::runtime::Handle) {
        runtime.block_on(self.told());
    }

    /// Waits, on tokio.
    pub async fn told(&self) {
        // The sender lives as long as this.
        let _ = self.told.clone().wait_for(|it| *it).await;
    }

    /// From now on the end must come within `grace`; unless what is given back is dropped before, the process is ended.
    pub fn enforce(grace: Duration) -> std::io::Result<Sender<()>> {
        let (done, waiting): (Sender<()>, Receiver<()>) = bounded(0);
        thread::Builder::new().name("grace".into()).spawn(move || {
            if waiting.recv_timeout(grace) == Err(RecvTimeoutError::Timeout) {
                tracing::error!(grace_secs = grace.as_secs(), "could not finish in time: ends as it is");
                process::exit(FORCED);
            }
        })?;
        Ok(done)
    }
}

/// Tells the service manager, where there is one.
pub fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
