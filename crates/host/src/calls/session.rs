//! Sessions, subscriptions, texts, tokens.

use std::sync::PoisonError;

use serde_json::Value;

use super::{Answer, done, json, params, space_of, unknown};
use crate::convert;
use crate::protocol::{
    Credit, EditText, EndedSessions, ErrorInfo, MarkText, Nothing, OneTimeToken, Resume, SetCursor,
    Subscribe, TextEdited, TextParams, TextStepped, Unsubscribe,
};
use crate::shared::Caller;
use crate::topics;

pub(super) async fn call(caller: &Caller, method: &str, given: Value) -> Answer {
    match method {
        "subscribe" => subscribe(caller, params(given)?).await,
        "text.flush" => flush(caller, &params(given)?).await,
        "text.setCursor" => set_cursor(caller, &params(given)?).await,
        "host.createToken" => create_token(caller, &params(given)?),
        "host.endSessions" => end_sessions(caller, &params(given)?),
        _ => Err(unknown(method)),
    }
}

async fn subscribe(caller: &Caller, subscribe: Subscribe) -> Answer {
    let limits = &caller.shared.limits;
    if subscribe.credits > limits.credits {
        let message = format!("a subscription has at most {} credits", limits.credits);
        return Err(ErrorInfo::limit("credits", message));
    }
    caller.session.check(subscribe.id, limits.subscriptions)?;
    let opened = topics::open(caller, &subscribe.topic).await?;
    // Others may have come meanwhile.
    caller.session.check(subscribe.id, limits.subscriptions)?;
    let name = (subscribe.id, subscribe.credits);
    let outlet = caller.outlet.clone();
    caller
        .session
        .subscribe(&caller.shared, name, outlet, opened);
    done()
}

pub(super) fn unsubscribe(caller: &Caller, unsubscribe: &Unsubscribe) -> Answer {
    caller.session.unsubscribe(unsubscribe.id)?;
    done()
}

pub(super) fn credit(caller: &Caller, credit: &Credit) -> Answer {
    let max = caller.shared.limits.credits;
    caller.session.credit(credit.id, credit.n, max)?;
    done()
}

pub(super) fn resume(caller: &Caller, resume: &Resume) -> Answer {
    let max = caller.shared.limits.credits;
    json(&caller.session.resume(&caller.outlet, resume, max))
}

pub(super) fn edit(caller: &Caller, edit: &EditText) -> Answer {
    let editor = caller.session.editor(edit.id)?;
    let mut editor = editor.lock().unwrap_or_else(PoisonError::into_inner);
    let version = editor.edit(edit.edit, edit.version, &edit.changes)?;
    json(&TextEdited { version })
}

pub(super) fn mark(caller: &Caller, mark: MarkText) -> Answer {
    let value = convert::value("value", &mark.value)?;
    let editor = caller.session.editor(mark.id)?;
    let mut editor = editor.lock().unwrap_or_else(PoisonError::into_inner);
    let range = (mark.from, mark.to);
    let version = editor.mark(mark.version, range, (&mark.name, value), mark.expand)?;
    json(&TextEdited { version })
}

pub(super) fn step(caller: &Caller, of: &TextParams, again: bool) -> Answer {
    let editor = caller.session.editor(of.id)?;
    let mut editor = editor.lock().unwrap_or_else(PoisonError::into_inner);
    let stepped = editor.step(again)?;
    json(&TextStepped { stepped })
}

async fn flush(caller: &Caller, of: &TextParams) -> Answer {
    let editor = caller.session.editor(of.id)?;
    let handle = {
        let editor = editor.lock().unwrap_or_else(PoisonError::into_inner);
        editor.handle()
    };
    handle.flush().await?;
    done()
}

async fn set_cursor(caller: &Caller, set: &SetCursor) -> Answer {
    let editor = caller.session.editor(set.id)?;
    let handle = {
        let editor = editor.lock().unwrap_or_else(PoisonError::into_inner);
        editor.handle()
    };
    // A place next to what was just typed is known to others once that is.
    handle.flush().await?;
    let told = {
        let mut editor = editor.lock().unwrap_or_else(PoisonError::into_inner);
        editor.cursor_message(set)?
    };
    let (space, channel, payload) = told;
    let space = space_of(caller, &space.to_string()).await?;
    space.post_message(&channel, payload).await?;
    done()
}

fn create_token(caller: &Caller, _: &Nothing) -> Answer {
    let made = caller.shared.make_one_time();
    let token = made.map_err(|error| ErrorInfo::internal(error.to_string()))?;
    json(&OneTimeToken {
        url: caller.shared.address_of(&token),
        token: token.text,
        expires_ms: token.expires_ms,
    })
}

fn end_sessions(caller: &Caller, _: &Nothing) -> Answer {
    let ended = caller.shared.revoke_others(caller.session.owner);
    json(&EndedSessions { ended })
}
