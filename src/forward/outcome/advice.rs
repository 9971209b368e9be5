//! Advice for the administrator where an answer shows that the destination is set up wrongly.

use http::response::Parts;
use http::{Method, StatusCode, header};

use crate::forward::destination::{DestinationFormat, Push, Secrets};

/// The change to make, if the answer shows it.
pub fn for_answer(answer: &Parts, push: &Push, secrets: &Secrets) -> Option<String> {
    Some(match answer.status {
        status if status.is_redirection() => redirect(answer, push),
        StatusCode::UNAUTHORIZED => match credentials(push, secrets) {
            None => "it requires credentials: set auth or headers.Authorization".to_owned(),
            Some(credentials) => format!("it does not accept the credentials: correct {credentials}"),
        },
        StatusCode::FORBIDDEN => match credentials(push, secrets) {
            None => "it forbids this request: check url, and whether a firewall blocks it".to_owned(),
            Some(credentials) => {
                format!("it forbids this request: check url and {credentials}, and whether a firewall blocks it")
            }
        },
        StatusCode::METHOD_NOT_ALLOWED => match &push.format {
            DestinationFormat::Template(template) => {
                format!("it does not accept the method {}: correct url or template.method", template.method)
            }
            _ => format!("it does not accept the method {}: correct url", Method::POST),
        },
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "a proxy requires credentials: set them where the host's proxy is set (HTTPS_PROXY)".to_owned()
        }
        _ => return None,
    })
}

/// Names only the origin of `Location`: for some receivers path and query are all that a sender needs.
fn redirect(answer: &Parts, push: &Push) -> String {
    let location = answer.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let origin = location.and_then(|location| push.url.origin_of_reference(location));
    let target = match origin {
        Some(origin) if origin == push.url.origin() => "another path of its own".to_owned(),
        Some(origin) => origin,
        None => "a missing or invalid Location".to_owned(),
    };
    format!("it redirects to {target}, and redirects are not followed: correct url")
}

/// The fields of the setting by which this destination may authenticate the sender.
fn credentials(push: &Push, secrets: &Secrets) -> Option<String> {
    let own = push.authentication.field();
    let header = match (push.headers.contain(&header::AUTHORIZATION), push.headers.0.is_empty()) {
        (true, _) => Some("headers.Authorization"),
        (false, false) => Some("headers"),
        (false, true) => None,
    };
    let secret = (!secrets.0.is_empty()).then_some("secret");
    let fields: Vec<_> = [own, header, secret].into_iter().flatten().collect();
    (!fields.is_empty()).then(|| fields.join(" or "))
}
