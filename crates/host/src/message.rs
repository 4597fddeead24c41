//! Messages as text: requests that come in, and what they are answered with.

use bytes::Bytes;
use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::limits::NAME_BYTES_MAX;
use crate::protocol::{ErrorAction, ErrorInfo, Request, RequestId, code};

/// Reads a request, but for its parameters.
pub(crate) fn read(text: &Bytes) -> Result<Request, ErrorInfo> {
    let invalid = |message: &str| {
        ErrorInfo::new(
            code::INVALID_REQUEST,
            "invalidRequest",
            ErrorAction::Correct,
            message,
        )
    };
    let request: Request =
        serde_json::from_slice(text).map_err(|error| match error.classify() {
            Category::Data => invalid(&format!("the message is no request: {error}")),
            _ => {
                let message = format!("the message is no JSON: {error}");
                ErrorInfo::new(code::PARSE, "parse", ErrorAction::Correct, message)
            }
        })?;
    // A list would be taken for an object whose fields come in order.
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err(invalid("batches are not taken; send one request a message"));
    }
    if request.jsonrpc != "2.0" {
        return Err(invalid("jsonrpc has to be \"2.0\""));
    }
    if let Some(RequestId::Text(text)) = &request.id
        && text.len() > NAME_BYTES_MAX
    {
        return Err(invalid("the id of a request is longer than 64 bytes"));
    }
    Ok(request)
}

/// Reads what a request gives. Nesting is bounded, and whoever passes the bound is answered under
/// the id of the request.
pub(crate) fn given(params: Option<&RawValue>) -> Result<Value, ErrorInfo> {
    let Some(params) = params else {
        return Ok(Value::Null);
    };
    serde_json::from_str(params.get())
        .map_err(|error| ErrorInfo::params(format!("the parameters cannot be read: {error}")))
}

pub(crate) fn answer(id: &RequestId, result: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
        json!(id)
    )
}

pub(crate) fn refusal(id: Option<&RequestId>, error: &ErrorInfo) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string()
}

pub(crate) fn reply(id: &RequestId, result: Result<String, ErrorInfo>) -> String {
    match result {
        Ok(result) => answer(id, &result),
        Err(error) => refusal(Some(id), &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: impl Into<Bytes>) -> Result<Request, ErrorInfo> {
        read(&text.into())
    }

    #[test]
    fn what_is_no_request_is_told_apart() {
        let code_of = |text: &'static str| read_text(text).unwrap_err().code;
        for text in ["{", "nonsense", "", "\u{7}", r#"{"jsonrpc":"2.0","id":1"#] {
            assert_eq!(code_of(text), code::PARSE, "{text}");
        }
        for text in [
            "[]",
            "{}",
            "null",
            r#"["2.0", 1, "ping", {}]"#,
            r#" ["2.0", 1, "ping", {}]"#,
            r#"[{"jsonrpc":"2.0","id":1,"method":"x"}]"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#,
        ] {
            assert_eq!(code_of(text), code::INVALID_REQUEST, "{text}");
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused_under_the_id_of_its_request() {
        let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"x","params":{nested}}}"#);
        let request = read_text(text).unwrap();
        assert_eq!(request.id, Some(RequestId::Number(7)));
        let refused = given(request.params.as_deref()).unwrap_err();
        assert_eq!(refused.code, code::INVALID_PARAMS);
        // The same where no parameters are looked for.
        for place in ["id", "method", "more"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"x","{place}":{nested}}}"#);
            drop(read_text(text));
        }
        assert_eq!(read_text(nested).unwrap_err().code, code::INVALID_REQUEST);
    }

    #[test]
    fn a_request_without_parameters_gives_nothing() {
        let request = read_text(r#"{"jsonrpc":"2.0","id":"a","method":"x"}"#).unwrap();
        assert_eq!(given(request.params.as_deref()), Ok(Value::Null));
    }
}
