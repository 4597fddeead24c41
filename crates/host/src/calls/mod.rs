//! The methods.

mod archive;
mod care;
mod client;
mod echo;
mod flows;
mod halo;
mod history;
mod invitations;
mod mesh;
mod object;
mod query;
pub(crate) mod queue;
mod session;

use dxos_client::{EchoError, IdentityKey, Space, SpaceKey};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::convert::parse;
use crate::limits::ANSWER_BYTES_MAX;
use crate::protocol::{ErrorAction, ErrorInfo, Nothing, code};
use crate::shared::Caller;

pub(crate) use care::{epochs, erasure, sync_status};
pub(crate) use client::info as client_info;
pub(crate) use echo::{members, network_info, spaces};
pub(crate) use flows::Flows;
pub(crate) use halo::devices;
pub(crate) use invitations::of_halo as halo_invitations;
pub(crate) use invitations::of_space as space_invitations;

/// An answer: JSON, as text.
type Answer = Result<String, ErrorInfo>;

/// Whether a method is answered before the next message is read: those on which later ones of
/// the same client rest, and which take no time.
pub(crate) fn is_in_order(method: &str) -> bool {
    matches!(
        method,
        "credit"
            | "ping"
            | "resume"
            | "text.edit"
            | "text.mark"
            | "text.redo"
            | "text.undo"
            | "unsubscribe"
    )
}

/// Answers a method that takes no time.
pub(crate) fn at_once(caller: &Caller, method: &str, given: Value) -> Answer {
    match method {
        "credit" => session::credit(caller, &params(given)?),
        "ping" => nothing(&params(given)?),
        "resume" => session::resume(caller, &params(given)?),
        "text.edit" => session::edit(caller, &params(given)?),
        "text.mark" => session::mark(caller, params(given)?),
        "text.redo" => session::step(caller, &params(given)?, true),
        "text.undo" => session::step(caller, &params(given)?, false),
        "unsubscribe" => session::unsubscribe(caller, &params(given)?),
        _ => Err(unknown(method)),
    }
}

/// Answers a method.
pub(crate) async fn call(caller: &Caller, method: &str, given: Value) -> Answer {
    let group = method.split('.').next().unwrap_or_default();
    match group {
        "archive" => archive::call(caller, method, given).await,
        "client" => client::call(caller, method, given).await,
        "echo" => echo::call(caller, method, given).await,
        "halo" => halo::call(caller, method, given).await,
        "invitation" => flows::call(caller, method, given).await,
        "mesh" => mesh::call(caller, method, given).await,
        _ => session::call(caller, method, given).await,
    }
}

fn unknown(method: &str) -> ErrorInfo {
    let shown: String = method.chars().take(64).collect();
    let message = format!("this host does not serve the method {shown:?}");
    ErrorInfo::new(
        code::METHOD_NOT_FOUND,
        "methodNotFound",
        ErrorAction::Correct,
        message,
    )
}

/// Reads what a method takes.
pub(crate) fn params<T: DeserializeOwned>(given: Value) -> Result<T, ErrorInfo> {
    let given = match given {
        Value::Null => Value::Object(serde_json::Map::new()),
        given @ Value::Object(_) => given,
        _ => return Err(ErrorInfo::params("the parameters have to be an object")),
    };
    serde_json::from_value(given)
        .map_err(|error| ErrorInfo::params(format!("the parameters do not fit: {error}")))
}

/// Writes what a method gives.
pub(crate) fn json<T: Serialize>(value: &T) -> Answer {
    let text = serde_json::to_string(value)
        .map_err(|error| ErrorInfo::internal(format!("the answer cannot be written: {error}")))?;
    if text.len() > ANSWER_BYTES_MAX {
        let message = format!(
            "the answer has {} bytes, more than the {ANSWER_BYTES_MAX} allowed; ask for less at \
             once, or subscribe",
            text.len()
        );
        return Err(ErrorInfo::limit("tooLarge", message));
    }
    Ok(text)
}

fn nothing(_: &Nothing) -> Answer {
    done()
}

/// The answer of a method that gives nothing.
#[expect(clippy::unnecessary_wraps, reason = "it stands where answers do")]
fn done() -> Answer {
    Ok("{}".to_owned())
}

/// The space that a client names.
pub(crate) async fn space_of(caller: &Caller, key: &str) -> Result<Space, ErrorInfo> {
    let key: SpaceKey = parse("space", key)?;
    let halo = caller.shared.client.halo().halo_space()?;
    if halo == Some(key) {
        // It is kept from the client by all other ways, too.
        return Err(EchoError::UnknownSpace { space: key }.into());
    }
    Ok(caller.shared.client.echo().space(key).await?)
}

/// Who the profile is, if anybody.
pub(crate) async fn own_identity(caller: &Caller) -> Result<Option<IdentityKey>, ErrorInfo> {
    let identity = caller.shared.client.halo().identity().await?;
    Ok(identity.map(|identity| identity.identity))
}
