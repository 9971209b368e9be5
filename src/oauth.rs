//! OAuth 2.0 client credentials (RFC 6749, 4.4): the request for an access token, and its answer.
//!
//! The appliance's APIs ([`crate::appliance_api`]) and destinations ([`crate::forward`]) use it. A token is never
//! stored or shown. A host can keep the answer until shortly before the token expires: the component asks for a token
//! in each run, and says so ([`FRESH`]) when the one before was rejected.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Request, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use crate::url::Url;

/// The most bytes of an answer with a token.
pub const MAX_TOKEN_ANSWER_BYTES: usize = 64 * 1024;

/// `Cache-Control` of a request that no kept token may answer (RFC 9111, 5.2.1.4).
pub const FRESH: HeaderValue = HeaderValue::from_static("no-cache");

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The `User-Agent` of outgoing requests.
pub(crate) const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("outbound-events/", env!("CARGO_PKG_VERSION")));

/// The credentials of a client, and where it gets tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredentials {
    /// The token endpoint.
    pub token_url: Url,
    /// The id of the client.
    pub client_id: String,
    /// The secret of the client.
    pub client_secret: ClientSecret,
    /// The requested scope, if the server needs one.
    pub scope: Option<String>,
    /// The requested audience, if the server needs one. Not in RFC 6749, but common.
    pub audience: Option<String>,
    /// Where the request has id and secret.
    pub place: CredentialsPlace,
}

/// Where a request for a token has the client's id and secret (RFC 6749, 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialsPlace {
    /// In the form.
    Body,
    /// In the header `Authorization`, each percent-encoded, as the RFC says.
    Header,
    /// In the header `Authorization`, as they are: the vendor's API ("Authenticate to the Remote Support API").
    PlainHeader,
}

/// The secret of a client. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(pub(crate) String);

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(hidden)")
    }
}

/// An answer with a token (RFC 6749, 5.1).
#[derive(Clone, PartialEq, Eq)]
pub struct TokenAnswer {
    /// The token: visible ASCII characters.
    pub access_token: String,
    /// For how long it is valid, in seconds. `None` if the server does not say.
    pub expires_in: Option<u64>,
}

impl ClientCredentials {
    /// The request for a token. With `is_fresh`, no kept token may answer it. `None` if a value fits no request.
    pub fn request(&self, is_fresh: bool) -> Option<Request<Vec<u8>>> {
        let in_body = self.place == CredentialsPlace::Body;
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        form.extend(self.audience.as_deref().map(|audience| ("audience", audience)));
        if in_body {
            form.extend([("client_id", self.client_id.as_str()), ("client_secret", self.client_secret.0.as_str())]);
        }
        let body = serde_urlencoded::to_string(form).ok()?;
        let mut request = Request::post([self.token_url.origin(), &self.token_url.path].concat())
            .header(header::CONTENT_TYPE, FORM)
            .header(header::CONTENT_LENGTH, body.len())
            .header(header::ACCEPT, JSON)
            .header(header::USER_AGENT, USER_AGENT);
        if !in_body {
            let mut basic = HeaderValue::try_from(["Basic ", &self.basic()].concat()).ok()?;
            basic.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, basic);
        }
        if is_fresh {
            request = request.header(header::CACHE_CONTROL, FRESH);
        }
        request.body(body.into_bytes()).ok()
    }

    /// The credentials of the scheme `Basic`.
    fn basic(&self) -> String {
        let joined = match self.place {
            CredentialsPlace::Header => [encoded(&self.client_id), encoded(&self.client_secret.0)].join(":"),
            CredentialsPlace::Body | CredentialsPlace::PlainHeader => {
                [self.client_id.as_str(), &self.client_secret.0].join(":")
            }
        };
        STANDARD.encode(joined)
    }

    /// The texts that a server may repeat and nobody may see.
    pub(crate) fn secret_texts(&self) -> [String; 3] {
        [self.client_secret.0.clone(), encoded(&self.client_secret.0), self.basic()]
    }
}

/// The form's encoding of a text.
fn encoded(text: &str) -> String {
    let pair = serde_urlencoded::to_string([("", text)]).unwrap_or_default();
    pair.strip_prefix('=').unwrap_or(&pair).to_owned()
}

/// Whether an answer says that the client's id or secret is wrong (RFC 6749, 5.2), and not that the server fails.
pub(crate) fn refuses_credentials(status: StatusCode, body: &[u8]) -> bool {
    let says = |text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
    status == StatusCode::UNAUTHORIZED
        || (status == StatusCode::BAD_REQUEST && (says("invalid_client") || says("unauthorized_client")))
}

impl TokenAnswer {
    /// Parses the body of an answer 200. `None` if it has no token that a header can hold.
    pub fn parse(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            access_token: String,
            #[serde(default)]
            expires_in: Value,
        }
        let Body { access_token, expires_in } = serde_json::from_slice(body).ok()?;
        let is_token = !access_token.is_empty() && access_token.bytes().all(|byte| byte.is_ascii_graphic());
        // Some servers write the number as text. Anything else says nothing.
        let from_text = || expires_in.as_str().and_then(|text| text.trim().parse().ok());
        let expires_in = expires_in.as_u64().or_else(from_text);
        is_token.then_some(Self { access_token, expires_in })
    }
}
