//! Values of a destination that are never shown, not even by `Debug`.

use std::fmt;

use http::{HeaderName, HeaderValue};
use subtle::ConstantTimeEq as _;

use crate::oauth::ClientCredentials;

/// The secrets of a destination, which sign requests. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets(pub(in crate::forward) Vec<String>);

impl Secrets {
    /// Whether `candidate` is one of the secrets. Takes the same time for every wrong candidate of a length.
    pub fn contain(&self, candidate: &str) -> bool {
        let found = self.0.iter().map(|secret| secret.as_bytes().ct_eq(candidate.as_bytes()));
        found.fold(subtle::Choice::from(0), |any, this| any | this).into()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} hidden)", self.0.len())
    }
}

/// The headers of every request to a destination. Their values are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Headers(pub(in crate::forward) Vec<(HeaderName, HeaderValue)>);

impl Headers {
    /// Whether a header of this name is set.
    pub(in crate::forward) fn contain(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// How a request shows who sends it. The values are never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Authentication {
    /// By `secret` or `headers`, or not at all.
    None,
    /// `auth.basic`: user name and password.
    Basic(HeaderValue),
    /// `auth.bearer`: a token that stays the same.
    Bearer(HeaderValue),
    /// `auth.oauth2`: tokens of a token endpoint.
    OAuth2(ClientCredentials),
}

impl Authentication {
    /// The field of the setting.
    pub(in crate::forward) fn field(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Basic(_) => Some("auth.basic"),
            Self::Bearer(_) => Some("auth.bearer"),
            Self::OAuth2(_) => Some("auth.oauth2"),
        }
    }

    /// The header `Authorization` of requests, unless it needs a token of a token endpoint.
    pub(in crate::forward) fn header(&self) -> Option<&HeaderValue> {
        match self {
            Self::Basic(value) | Self::Bearer(value) => Some(value),
            Self::None | Self::OAuth2(_) => None,
        }
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OAuth2(credentials) => f.debug_tuple("OAuth2").field(credentials).finish(),
            _ => write!(f, "Authentication({:?}, hidden)", self.field()),
        }
    }
}
