//! `POST /oauth2/token`: client credentials of OAuth 2.0 (RFC 6749, 4.4), as the vendor's pages describe them.

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::occurrence::Millis;

/// How many tokens of the account are valid at a time. One more invalidates the oldest.
pub const MOST_TOKENS: usize = 30;

/// The length of a token.
const TOKEN_CHARACTERS: usize = 40;

/// The valid tokens of an account.
pub struct TokenRegister {
    lifetime: Millis,
    /// Oldest first: the token, and when it expires.
    tokens: VecDeque<(String, Millis)>,
}

/// Why no token is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// The credentials are missing or wrong: 401.
    #[error("the client id or the client secret is wrong")]
    InvalidClient,
    /// The body has no `grant_type`: 400.
    #[error("the parameter grant_type is missing")]
    InvalidRequest,
    /// Another grant: 400.
    #[error("only the grant type client_credentials is supported")]
    UnsupportedGrantType,
}

impl TokenRefusal {
    /// The code of OAuth.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidClient => "invalid_client",
            Self::InvalidRequest => "invalid_request",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }

    /// The status of the answer (RFC 6749, 5.2).
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::InvalidRequest | Self::UnsupportedGrantType => StatusCode::BAD_REQUEST,
        }
    }
}

impl TokenRegister {
    /// No tokens.
    pub fn new(lifetime: Duration) -> Self {
        Self { lifetime: lifetime.as_millis().try_into().unwrap_or(Millis::MAX), tokens: VecDeque::new() }
    }

    /// Issues a token at `now`.
    pub fn issue(&mut self, rng: &mut ChaCha8Rng, now: Millis) -> String {
        let token: String = rng.sample_iter(rand::distr::Alphanumeric).take(TOKEN_CHARACTERS).map(char::from).collect();
        self.tokens.retain(|(_, expires)| now < *expires);
        while self.tokens.len() >= MOST_TOKENS {
            self.tokens.pop_front();
        }
        self.tokens.push_back((token.clone(), now.saturating_add(self.lifetime)));
        token
    }

    /// Whether a token is valid at `now`.
    pub fn is_valid(&self, token: &str, now: Millis) -> bool {
        self.tokens.iter().any(|(known, expires)| known == token && now < *expires)
    }

    /// Invalidates all tokens, as a new client secret does.
    pub fn revoke_all(&mut self) {
        self.tokens.clear();
    }
}

/// Client id and client secret of `Authorization: Basic`. Not percent-encoded: the vendor's pages encode them as they are.
pub fn basic_credentials(authorization: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(credentials_of(authorization, "Basic")?).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// The token of `Authorization: Bearer`.
pub fn bearer_token(authorization: &str) -> Option<&str> {
    credentials_of(authorization, "Bearer")
}

fn credentials_of<'a>(authorization: &'a str, wanted: &str) -> Option<&'a str> {
    let (scheme, credentials) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then_some(credentials.trim())
}
