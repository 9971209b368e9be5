//! Keeps the access tokens of destinations (OAuth 2.0) until a minute before they expire. The component asks for one in
//! each delivery run; without this, a token endpoint would get a request for each event.
//!
//! Tokens stay in memory. One that a destination has rejected is not used again: the component's next request says
//! `Cache-Control: no-cache`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use outbound_events::oauth::{FRESH, MAX_TOKEN_ANSWER_BYTES, TokenAnswer};
use parking_lot::Mutex;
use wasmtime_wasi_http::{Error, WasiBody};

/// A token is not used in the last minute before it expires: a request takes time, and clocks differ.
const MARGIN: Duration = Duration::from_secs(60);

/// No token is kept for longer, whatever its server says.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Tokens of more different requests are not kept. There are at most 32 destinations.
const MAX_KEPT: usize = 64;

/// The tokens, by the request that got them.
#[derive(Debug, Default)]
pub(super) struct KeptTokens(Mutex<HashMap<TokenRequest, KeptToken>>);

/// What tells requests for tokens apart: the URL, the credentials and the form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct TokenRequest {
    url: String,
    authorization: Option<Vec<u8>>,
    form: Bytes,
}

impl std::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenRequest(hidden)")
    }
}

struct KeptToken {
    answer: Bytes,
    until: Instant,
}

impl std::fmt::Debug for KeptToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeptToken(hidden, until {:?})", self.until)
    }
}

impl TokenRequest {
    pub(super) fn new(head: &Parts, form: &Bytes) -> Self {
        let authorization = head.headers.get(AUTHORIZATION).map(|value| value.as_bytes().to_vec());
        Self { url: head.uri.to_string(), authorization, form: form.clone() }
    }
}

impl KeptTokens {
    /// The kept answer to a request. `None` if there is none, if it has expired, or if the request wants a new token.
    pub(super) fn answer(&self, head: &Parts, request: &TokenRequest, now: Instant) -> Option<Response<WasiBody>> {
        let mut kept = self.0.lock();
        if head.headers.get(CACHE_CONTROL) == Some(&FRESH) {
            kept.remove(request);
        }
        let answer = kept.get(request).filter(|token| now < token.until)?.answer.clone();
        Some(Response::new(whole(answer)))
    }

    /// Reads an answer, and keeps its token for as long as it is valid.
    pub(super) async fn keep(
        &self,
        request: TokenRequest,
        answer: Response<WasiBody>,
        now: Instant,
    ) -> Result<Response<WasiBody>, Error> {
        if answer.status() != StatusCode::OK {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_TOKEN_ANSWER_BYTES).collect().await;
        let body = body.map_err(|_| Error::HttpResponseBodySize(None))?.to_bytes();
        let seconds = TokenAnswer::parse(&body).and_then(|token| token.expires_in);
        let valid = seconds.map(|seconds| Duration::from_secs(seconds).saturating_sub(MARGIN).min(LONGEST));
        if let Some(valid) = valid.filter(|valid| !valid.is_zero()) {
            let mut kept = self.0.lock();
            kept.retain(|_, token| now < token.until);
            if kept.len() < MAX_KEPT {
                kept.insert(request, KeptToken { answer: body.clone(), until: now + valid });
            }
        }
        Ok(Response::from_parts(head, whole(body)))
    }
}

fn whole(body: Bytes) -> WasiBody {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(authorization: &str, cache: Option<&str>) -> Parts {
        let request = Request::post("https://login.example/token").header(AUTHORIZATION, authorization);
        let request = cache.into_iter().fold(request, |request, value| request.header(CACHE_CONTROL, value));
        request.body(()).unwrap().into_parts().0
    }

    async fn keep(tokens: &KeptTokens, head: &Parts, form: &str, body: &str, status: u16, now: Instant) {
        let request = TokenRequest::new(head, &Bytes::from(form.to_owned()));
        let mut answer = Response::new(whole(Bytes::from(body.to_owned())));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        tokens.keep(request, answer, now).await.unwrap();
    }

    fn is_kept(tokens: &KeptTokens, head: &Parts, form: &str, now: Instant) -> bool {
        tokens.answer(head, &TokenRequest::new(head, &Bytes::from(form.to_owned())), now).is_some()
    }

    #[tokio::test]
    async fn a_token_is_kept_until_a_minute_before_it_expires() {
        let (began, head) = (Instant::now(), head("Basic eA==", None));
        let cases = [
            (r#"{"access_token":"a","expires_in":100}"#, 200, Some(40)),
            (r#"{"access_token":"a","expires_in":"100"}"#, 200, Some(40)),
            (r#"{"access_token":"a","expires_in":18446744073709551615}"#, 200, Some(24 * 60 * 60)),
            (r#"{"access_token":"a","expires_in":60}"#, 200, None),
            (r#"{"access_token":"a","expires_in":-1}"#, 200, None),
            (r#"{"access_token":"a"}"#, 200, None),
            (r#"{"access_token":"a","expires_in":100}"#, 400, None),
            ("not JSON", 200, None),
        ];
        for (body, status, seconds) in cases {
            let tokens = KeptTokens::default();
            keep(&tokens, &head, "form", body, status, began).await;
            assert_eq!(is_kept(&tokens, &head, "form", began), seconds.is_some(), "{body}");
            if let Some(seconds) = seconds {
                let last = began + Duration::from_secs(seconds) - Duration::from_millis(1);
                assert!(is_kept(&tokens, &head, "form", last), "{body}");
                assert!(!is_kept(&tokens, &head, "form", began + Duration::from_secs(seconds)), "{body}");
            }
        }
    }

    #[tokio::test]
    async fn a_token_answers_the_same_request_only_and_none_that_wants_a_new_one() {
        let (began, tokens, own) = (Instant::now(), KeptTokens::default(), head("Basic eA==", None));
        keep(&tokens, &own, "form", r#"{"access_token":"a","expires_in":100}"#, 200, began).await;
        assert!(!is_kept(&tokens, &own, "other", began));
        assert!(!is_kept(&tokens, &head("Basic eQ==", None), "form", began));
        assert!(is_kept(&tokens, &own, "form", began));
        assert!(!is_kept(&tokens, &head("Basic eA==", Some("no-cache")), "form", began));
        assert!(!is_kept(&tokens, &own, "form", began), "it was rejected");
    }
}
