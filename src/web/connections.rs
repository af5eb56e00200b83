//! Connections: few, and none for long. Who says nothing, or speaks or listens slowly, is let go, and keeps nobody out.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::guard::Peer;
use crate::shutdown::Shutdown;

/// Connections at once, far below the limit of descriptors; beyond it the oldest that waits for nothing goes.
const MAX_CONNECTIONS: usize = 256;
/// For the head of a request, from its connection's beginning or from the answer before: so an idle one ends, too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A request's head, at most: browsers send a kilobyte.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// After this a connection is asked to end: only so is a reader bounded that takes a byte now and then.
const LIFE: Duration = Duration::from_secs(60);
/// What it then may take to finish the answer that it is in.
const LAST_ANSWER: Duration = Duration::from_secs(10);
/// Until the next try, where the system gives no connection (descriptors, memory) and one of ours was ended for it.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection that goes on, or has just ended.
struct Open {
    /// Whether an answer is being made.
    busy: Arc<AtomicBool>,
    task: AbortHandle,
}

/// Accepts and answers until told to end; then each connection ends after the answer that it is in.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router, shutdown: Shutdown) {
    let mut open: VecDeque<Open> = VecDeque::new();
    let mut refusing = false;
    loop {
        let accepted = tokio::select! {
            it = listener.accept() => it,
            () = shutdown.told() => return,
        };
        let (stream, peer) = match accepted {
            Ok(it) => {
                refusing = false;
                it
            }
            Err(error) if is_the_callers(&error) => continue,
            Err(error) => {
                // Once for as long as it lasts: it may last for days.
                if !std::mem::replace(&mut refusing, true) {
                    tracing::warn!(%error, "web: no connection could be accepted");
                }
                make_room(&mut open, 1);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        make_room(&mut open, MAX_CONNECTIONS);
        let busy = Arc::new(AtomicBool::new(false));
        let answers = Answers { peer: Peer(peer.ip()), router: router.clone(), busy: Arc::clone(&busy) };
        let task = tokio::spawn(attend(stream, tls.clone(), answers, shutdown.clone()));
        open.push_back(Open { busy, task: task.abort_handle() });
    }
}

/// Forgets those that have ended, and ends one where as many as `most` are left.
fn make_room(open: &mut VecDeque<Open>, most: usize) {
    open.retain(|it| !it.task.is_finished());
    if open.len() >= most {
        let idle = open.iter().position(|it| !it.busy.load(Ordering::Relaxed)).unwrap_or(0);
        if let Some(it) = open.remove(idle) {
            tracing::debug!("web: a connection made room for a new one");
            it.task.abort();
        }
    }
}

/// Whoever called has hung up already.
fn is_the_callers(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// What one connection is answered by.
struct Answers {
    peer: Peer,
    router: Router,
    /// Set while an answer is being made.
    busy: Arc<AtomicBool>,
}

async fn attend(stream: TcpStream, tls: Option<TlsAcceptor>, answers: Answers, shutdown: Shutdown) {
    let Some(tls) = tls else { return speak(stream, answers, shutdown).await };
    match tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => speak(stream, answers, shutdown).await,
        Ok(Err(error)) => tracing::debug!(%error, "web: somebody came and could not speak TLS with us"),
        Err(_) => tracing::debug!("web: somebody came and was too slow for TLS"),
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin>(stream: S, answers: Answers, shutdown: Shutdown) {
    let Answers { peer, router, busy } = answers;
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        busy.store(true, Ordering::Relaxed);
        let (answer, busy) = (router.call(request), Arc::clone(&busy));
        async move {
            let answer = answer.await;
            busy.store(false, Ordering::Relaxed);
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        it = connection.as_mut() => it,
        () = over(&shutdown) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(LAST_ANSWER, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "web: a connection was given up");
    }
}

async fn over(shutdown: &Shutdown) {
    tokio::select! {
        () = tokio::time::sleep(LIFE) => {}
        () = shutdown.told() => {}
    }
}
