//! The field `auth`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, header};
use serde_json::Value;

use super::Fields;
use crate::forward::destination::{Authentication, Headers};
use crate::oauth::{ClientCredentials, ClientSecret, CredentialsPlace};
use crate::url::{self, Url};

const ONE_OF: &str = "is not an object with one of basic, bearer and oauth2";

impl Fields<'_> {
    /// `None` if it has a fault.
    pub(super) fn authentication(&mut self, headers: &Headers) -> Option<Authentication> {
        let Some(value) = self.object.get("auth") else { return Some(Authentication::None) };
        if headers.contain(&header::AUTHORIZATION) {
            self.fault("auth", "and headers.Authorization are both given; remove one");
        }
        let forms = value.as_object().filter(|object| object.len() == 1);
        let Some((form, value)) = forms.and_then(|object| object.iter().next()) else {
            self.fault("auth", ONE_OF);
            return None;
        };
        match form.as_str() {
            "basic" => self.basic(value),
            "bearer" => self.bearer(value),
            "oauth2" => self.oauth2(value),
            _ => {
                self.fault("auth", ONE_OF);
                None
            }
        }
    }

    fn basic(&mut self, value: &Value) -> Option<Authentication> {
        let place = format!("{}.auth.basic", self.place);
        let mut fields = self.object_at(&place, value)?;
        fields.report_unknown(&["username", "password"]);
        let username = fields.required("username", |text| match text {
            text if text.contains(':') => Err("has a colon, which ends a user name (RFC 7617)"),
            text => parse_text(text),
        });
        let password = fields.required("password", parse_text);
        let credentials = STANDARD.encode([username?, password?].join(":"));
        secret_header(&["Basic ", &credentials].concat()).map(Authentication::Basic)
    }

    fn bearer(&mut self, value: &Value) -> Option<Authentication> {
        let token = value.as_str().and_then(|token| parse_token(token).ok());
        let Some(token) = token else {
            self.fault("auth.bearer", "is not a token of visible ASCII characters");
            return None;
        };
        secret_header(&["Bearer ", &token].concat()).map(Authentication::Bearer)
    }

    fn oauth2(&mut self, value: &Value) -> Option<Authentication> {
        let place = format!("{}.auth.oauth2", self.place);
        let mut fields = self.object_at(&place, value)?;
        fields.report_unknown(&["token_url", "client_id", "client_secret", "scope", "audience", "credentials_in"]);
        let token_url = fields.required("token_url", |text| Url::parse(text, url::check_path));
        let client_id = fields.required("client_id", parse_text);
        let client_secret = fields.required("client_secret", parse_text).map(ClientSecret);
        let scope = fields.parse_field("scope", parse_text);
        let audience = fields.parse_field("audience", parse_text);
        let place = fields.parse_field("credentials_in", |text| match text {
            "body" => Ok(CredentialsPlace::Body),
            "header" => Ok(CredentialsPlace::Header),
            _ => Err("is not body or header"),
        });
        Some(Authentication::OAuth2(ClientCredentials {
            token_url: token_url?,
            client_id: client_id?,
            client_secret: client_secret?,
            scope,
            audience,
            place: place.unwrap_or(CredentialsPlace::Body),
        }))
    }

    /// The fields of an object within this one.
    fn object_at<'p>(&'p mut self, place: &'p str, value: &'p Value) -> Option<Fields<'p>> {
        match value {
            Value::Object(object) => Some(Fields { place, object, faults: self.faults }),
            _ => {
                let field = place.rsplit('.').next().unwrap_or_default();
                self.fault(&["auth.", field].concat(), "is not an object");
                None
            }
        }
    }
}

/// A part of credentials: text of any language, on one line.
fn parse_text(text: &str) -> Result<String, &'static str> {
    let is_text = (1..=4_000).contains(&text.len()) && !text.chars().any(char::is_control);
    if is_text { Ok(text.to_owned()) } else { Err("is not 1 to 4,000 bytes without control characters") }
}

fn parse_token(text: &str) -> Result<String, &'static str> {
    let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_token { Ok(text.to_owned()) } else { Err("is not visible ASCII") }
}

fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
