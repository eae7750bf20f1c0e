//! `GET /metrics` and `GET /healthz` for whoever watches the service, on an address that is opened only when asked for.
//!
//! Healthy means that a pass over every mailbox succeeded lately. Anybody who reaches the address may read, nobody may
//! change anything. It cannot slow the service down: one thread of its own, so many connections at once, one request
//! each, a header section of a bounded size that must come within a bounded time, no body.
//!
//! *Not supported:* TLS, authentication: bind it to loopback or a network that only the watcher reaches.

use std::convert::Infallible;
use std::fmt::Write;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::metrics::Metrics;

/// How many connections are served at once; more wait.
const MAX_CONNECTIONS: usize = 16;
/// How long the header section of a request may take to come.
const MAX_HEADER_TIME: Duration = Duration::from_secs(5);
/// How long a connection may last, with everything.
const MAX_CONNECTION_TIME: Duration = Duration::from_secs(10);
/// The longest header section, in bytes; the smallest that hyper takes.
const MAX_HEADER_BYTES: usize = 8 * 1024;
/// The most header fields.
const MAX_HEADER_FIELDS: usize = 32;

/// A running server. It stops when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct HealthServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HealthServer {
    /// Serves on `address`; port 0 takes a free one. Healthy is when no mailbox is without success for longer than
    /// `max_age`.
    ///
    /// # Errors
    /// If the address cannot be bound, or the system gives no thread.
    pub fn start(address: SocketAddr, metrics: Arc<Metrics>, max_age: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let state = State { metrics, max_age };
        let thread = std::thread::Builder::new().name("health".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    result = serve(listener, Arc::new(state)) => {
                        if let Err(error) = result {
                            tracing::error!(%error, "the health server stopped");
                        }
                    }
                    _ = stopped => {}
                }
            });
            // Connections that are left do not keep the service from stopping.
            runtime.shutdown_background();
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HealthServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there was printed; there is nobody to give it to.
            thread.join().unwrap_or_default();
        }
    }
}

#[derive(Debug)]
struct State {
    metrics: Arc<Metrics>,
    max_age: Duration,
}

async fn serve(listener: TcpListener, state: Arc<State>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return Ok(()) };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, or a peer that is gone already.
                tracing::debug!(%error, "a connection to the health server could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let state = Arc::clone(&state);
        drop(tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let response = respond(&request, &state);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(MAX_HEADER_TIME)
                .max_buf_size(MAX_HEADER_BYTES)
                .max_headers(MAX_HEADER_FIELDS)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), answer);
            match timeout(MAX_CONNECTION_TIME, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a request to the health server failed"),
                Err(_) => tracing::debug!("a request to the health server took too long"),
            }
            drop(slot);
        }));
    }
}

fn respond(request: &Request<Incoming>, state: &State) -> Response<Full<Bytes>> {
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/metrics" | "/healthz" if !is_get => {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        }
        "/metrics" => {
            let mut response = text(StatusCode::OK, state.metrics.render());
            let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        "/healthz" => match complaints(state) {
            None => text(StatusCode::OK, "ok\n".to_owned()),
            Some(complaints) => text(StatusCode::SERVICE_UNAVAILABLE, complaints),
        },
        _ => text(StatusCode::NOT_FOUND, "there is /metrics and /healthz\n".to_owned()),
    }
}

/// What is wrong, a line for each mailbox.
fn complaints(state: &State) -> Option<String> {
    let mut complaints = String::new();
    for (mailbox, age) in state.metrics.last_successes() {
        let written = match age {
            None => writeln!(complaints, "mailbox {mailbox:?}: no pass succeeded yet"),
            Some(age) if age > state.max_age => {
                writeln!(complaints, "mailbox {mailbox:?}: the last pass succeeded {} s ago", age.as_secs())
            }
            Some(_) => continue,
        };
        // Writing to a string does not fail.
        written.unwrap_or_default();
    }
    Some(complaints).filter(|complaints| !complaints.is_empty())
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
