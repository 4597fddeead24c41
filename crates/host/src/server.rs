//! HTTP: who is let in at all, the WebSocket, and the files of the console.

use std::sync::Arc;

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::RustEmbed;

use crate::connection;
use crate::shared::Shared;

/// The console, built from `web/console`.
#[derive(RustEmbed)]
#[folder = "web/console/dist"]
struct Console;

/// Answers every request.
pub(crate) async fn answer(
    request: HttpRequest,
    body: web::Payload,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let shared = shared.into_inner();
    let mut response = match admit(request.headers(), &shared) {
        Err(refused) => {
            shared.counters.refused();
            tracing::warn!(host = ?request.headers().get(header::HOST), origin = ?request.headers().get(header::ORIGIN), "refused: {refused}");
            HttpResponse::build(refused.status()).body(refused.to_string())
        }
        Ok(()) => route(&request, body, &shared),
    };
    harden(response.headers_mut(), &shared);
    response
}

/// Why a request is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refused {
    /// A name that leads here by somebody else's DNS, or no name.
    #[error("this address is not served; open the one that `dx host` prints")]
    Host,
    /// A page of somebody else.
    #[error("pages of other origins may not talk to this host; see `dx host --allow-origin`")]
    Origin,
}

impl Refused {
    const fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
        }
    }
}

const NAMES: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Whether a request came by a name of this machine, and not from a page of a stranger.
fn admit(headers: &HeaderMap, shared: &Shared) -> Result<(), Refused> {
    let port = shared.port;
    let host = single(headers, header::HOST).ok_or(Refused::Host)?;
    let host = host.to_ascii_lowercase();
    let is_own = |name: &str| host == format!("{name}:{port}") || (port == 80 && host == name);
    if !NAMES.iter().any(|name| is_own(name)) {
        return Err(Refused::Host);
    }
    if !headers.contains_key(header::ORIGIN) {
        // No browser sends a WebSocket's handshake, or anything that changes things, without.
        return Ok(());
    }
    let origin = single(headers, header::ORIGIN).ok_or(Refused::Origin)?;
    let own = |name: &str| {
        origin == format!("http://{name}:{port}")
            || (port == 80 && origin == format!("http://{name}"))
    };
    if NAMES.iter().any(|name| own(name)) || shared.origins.iter().any(|allowed| allowed == origin)
    {
        return Ok(());
    }
    Err(Refused::Origin)
}

/// The value of a header that is there exactly once.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn route(request: &HttpRequest, body: web::Payload, shared: &Arc<Shared>) -> HttpResponse {
    let path = request.path();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return HttpResponse::MethodNotAllowed().finish();
    }
    match path {
        "/rpc" => upgrade(request, body, shared),
        "/healthz" => HttpResponse::NoContent().finish(),
        _ if !shared.console => HttpResponse::NotFound().body("the console is not served"),
        _ => file(path.trim_start_matches('/')),
    }
}

fn upgrade(request: &HttpRequest, body: web::Payload, shared: &Arc<Shared>) -> HttpResponse {
    if *shared.stopping.borrow() {
        return HttpResponse::ServiceUnavailable().finish();
    }
    match actix_ws::handle(request, body) {
        Ok((response, socket, frames)) => {
            let stranger = shared.stranger();
            let serve = connection::serve(Arc::clone(shared), stranger, socket, frames);
            actix_web::rt::spawn(serve);
            response
        }
        Err(_) => HttpResponse::UpgradeRequired()
            .insert_header((header::UPGRADE, "websocket"))
            .body("this is a WebSocket; docs/host-protocol.md says what it speaks"),
    }
}

/// A file of the console; its pages are all the first one.
fn file(path: &str) -> HttpResponse {
    let is_page = path.is_empty() || !path.contains('.');
    let name = if is_page { "index.html" } else { path };
    let Some(file) = Console::get(name) else {
        return HttpResponse::NotFound().body("there is no such file");
    };
    // Names of assets change with their content.
    let caching = if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, file.metadata.mimetype()))
        .insert_header((header::CACHE_CONTROL, caching))
        .body(file.data)
}

/// What browsers are to hold the page to.
fn harden(headers: &mut HeaderMap, shared: &Shared) {
    let port = shared.port;
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data: blob:; font-src 'self'; manifest-src 'self'; \
         connect-src 'self' ws://127.0.0.1:{port} ws://localhost:{port}; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("x-frame-options", "DENY"),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
}
