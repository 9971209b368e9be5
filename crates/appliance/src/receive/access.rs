//! Who may send: anyone, or who shows a password, a token, or a token of the receiver's own token endpoint.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode, Uri};
use parking_lot::Mutex;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::json;

use crate::api::{TokenRefusal, TokenRegister, basic_credentials, bearer_token};
use crate::occurrence::Millis;

/// The path of the token endpoint.
pub const TOKEN_PATH: &str = "/oauth2/token";

/// Who may send.
#[derive(Debug, Default)]
pub enum ReceiverAccess {
    /// Anyone.
    #[default]
    Open,
    /// Who shows this header `Authorization`.
    Header(String),
    /// Who shows a token of the token endpoint.
    Tokens(Box<TokenIssuer>),
}

impl ReceiverAccess {
    /// Who shows `user:password`.
    pub fn basic(credentials: &str) -> Self {
        Self::Header(format!("Basic {}", STANDARD.encode(credentials)))
    }

    /// Who shows a token that stays the same.
    pub fn bearer(token: &str) -> Self {
        Self::Header(format!("Bearer {token}"))
    }

    /// Who shows a token that this client got and that has not expired.
    pub fn oauth2(client_id: &str, client_secret: &str, lifetime: Duration) -> Self {
        Self::Tokens(Box::new(TokenIssuer {
            client: (client_id.to_owned(), client_secret.to_owned()),
            lifetime,
            began: Instant::now(),
            issued: Mutex::new((TokenRegister::new(lifetime), ChaCha8Rng::from_rng(&mut rand::rng()))),
        }))
    }

    /// Whether a request may send.
    pub(super) fn allows(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match self {
            Self::Open => true,
            Self::Header(expected) => shown == expected,
            Self::Tokens(issuer) => bearer_token(shown).is_some_and(|token| issuer.is_valid(token)),
        }
    }

    /// The answer to a request for a token; `None` if it is none.
    pub(super) fn token(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<(StatusCode, String)> {
        match self {
            Self::Tokens(issuer) if method == Method::POST && uri.path() == TOKEN_PATH => {
                Some(issuer.answer(headers, body))
            }
            _ => None,
        }
    }

    /// Makes all tokens invalid, as a restart of a token endpoint can.
    pub(super) fn revoke(&self) {
        if let Self::Tokens(issuer) = self {
            issuer.issued.lock().0.revoke_all();
        }
    }
}

/// A token endpoint for one client: client credentials of OAuth 2.0 (RFC 6749, 4.4), in the form or in the header.
pub struct TokenIssuer {
    client: (String, String),
    lifetime: Duration,
    began: Instant,
    issued: Mutex<(TokenRegister, ChaCha8Rng)>,
}

impl std::fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenIssuer").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

impl TokenIssuer {
    fn now(&self) -> Millis {
        self.began.elapsed().as_millis().try_into().unwrap_or(Millis::MAX)
    }

    fn is_valid(&self, token: &str) -> bool {
        self.issued.lock().0.is_valid(token, self.now())
    }

    fn answer(&self, headers: &HeaderMap, body: &[u8]) -> (StatusCode, String) {
        let form: Vec<(String, String)> = serde_urlencoded::from_bytes(body).unwrap_or_default();
        let field = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(basic_credentials);
        let decoded = shown.map(|(id, secret)| (decoded(&id), decoded(&secret)));
        let in_form = || field("client_id").zip(field("client_secret"));
        let refusal = match field("grant_type").as_deref() {
            _ if decoded.or_else(in_form).as_ref() != Some(&self.client) => TokenRefusal::InvalidClient,
            None => TokenRefusal::InvalidRequest,
            Some("client_credentials") => {
                let (register, random) = &mut *self.issued.lock();
                let token = register.issue(random, self.now());
                let (kind, seconds) = ("Bearer", self.lifetime.as_secs());
                let answer = json!({ "access_token": token, "token_type": kind, "expires_in": seconds });
                return (StatusCode::OK, answer.to_string());
            }
            Some(_) => TokenRefusal::UnsupportedGrantType,
        };
        let answer = json!({ "error": refusal.code(), "error_description": refusal.to_string() });
        (refusal.status(), answer.to_string())
    }
}

/// A part of the header's credentials (RFC 6749, 2.3.1).
fn decoded(text: &str) -> String {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&format!("x={text}")).unwrap_or_default();
    pairs.into_iter().next().map(|(_, text)| text).unwrap_or_default()
}
