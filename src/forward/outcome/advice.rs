//! What an administrator has to change where an answer says that the destination is set up wrongly.

use http::response::Parts;
use http::{Method, StatusCode, header};

use crate::forward::destination::{DestinationFormat, Push, Secrets};

/// What to change, if the answer tells.
pub fn for_answer(answer: &Parts, push: &Push, secrets: &Secrets) -> Option<String> {
    Some(match answer.status {
        status if status.is_redirection() => redirect(answer, push),
        StatusCode::UNAUTHORIZED => match credentials(push, secrets) {
            None => "it wants credentials: set headers.Authorization".to_owned(),
            Some(credentials) => format!("it does not accept the credentials: correct {credentials}"),
        },
        StatusCode::FORBIDDEN => match credentials(push, secrets) {
            None => "this may not be sent there: check url, and whether a firewall is on the way".to_owned(),
            Some(credentials) => {
                format!("this may not be sent there: check url and {credentials}, and whether a firewall is on the way")
            }
        },
        StatusCode::METHOD_NOT_ALLOWED => match &push.format {
            DestinationFormat::Template(template) => {
                format!("it does not take the method {}: correct url or template.method", template.method)
            }
            _ => format!("it does not take the method {}: correct url", Method::POST),
        },
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "a proxy on the way wants credentials: set them where the host's proxy is set (HTTPS_PROXY)".to_owned()
        }
        _ => return None,
    })
}

/// Of `Location` the origin alone is named: its path and query may be all that one needs to write there.
fn redirect(answer: &Parts, push: &Push) -> String {
    let location = answer.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let origin = location.and_then(|location| push.url.origin_of_reference(location));
    let target = match origin {
        Some(origin) if origin == push.url.origin() => "another path of its own".to_owned(),
        Some(origin) => origin,
        None => "no valid Location".to_owned(),
    };
    format!("it redirects to {target}, and redirects are not followed: correct url")
}

/// Which settings have what this destination may know the sender by.
fn credentials(push: &Push, secrets: &Secrets) -> Option<&'static str> {
    let authorization = push.headers.contain(&header::AUTHORIZATION);
    Some(match (authorization, push.headers.0.is_empty(), secrets.0.is_empty()) {
        (true, _, true) => "headers.Authorization",
        (true, _, false) => "headers.Authorization or secret",
        (false, false, true) => "headers",
        (false, false, false) => "headers or secret",
        (false, true, false) => "secret",
        (false, true, true) => return None,
    })
}
