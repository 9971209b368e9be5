//! The texts that must be hidden in a destination's answers: a receiver may repeat what it was sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;
use percent_encoding::percent_decode_str;

use super::Push;
use super::hidden::{Authentication, Secrets};
use crate::excerpt;
use crate::url::Url;

/// A part of a path or of a header that is at least this long is more likely a token than a word.
const SHORTEST_TOKEN: usize = 16;

impl Push {
    /// All secret texts of a destination's requests, the longest first. A receiver may repeat them whole or in parts.
    /// `token` is the access token of OAuth 2.0.
    pub(in crate::forward) fn secret_texts(&self, secrets: &Secrets, token: Option<&str>) -> Vec<String> {
        let mut texts = Vec::new();
        for secret in &secrets.0 {
            texts.extend(secret.strip_prefix("whsec_").map(str::to_owned));
            texts.push(secret.clone());
        }
        let own = self.authentication.header().map(|value| (&header::AUTHORIZATION, value));
        for (name, value) in self.headers.0.iter().map(|(name, value)| (name, value)).chain(own) {
            let value = String::from_utf8_lossy(value.as_bytes());
            if *name == header::AUTHORIZATION {
                authorization(&value, &mut texts);
            }
            tokens(&value, &mut texts);
            texts.push(value.into_owned());
        }
        if let Authentication::OAuth2(credentials) = &self.authentication {
            texts.extend(credentials.secret_texts());
            url_texts(&credentials.token_url, &mut texts);
            texts.extend(token.map(str::to_owned));
        }
        url_texts(&self.url, &mut texts);
        excerpt::hidden(texts)
    }
}

/// The secret texts of a URL. Of a path with placeholders, the texts between them.
pub(in crate::forward) fn url_texts(url: &Url, texts: &mut Vec<String>) {
    let mut in_query = false;
    for literal in url.path.split("{{").map(|part| part.split_once("}}").map_or(part, |(_, literal)| literal)) {
        for part in literal.split_inclusive(['?', '&']) {
            let bare = part.trim_end_matches(['?', '&']);
            if in_query {
                let value = bare.split_once('=').map_or(bare, |(_, value)| value);
                texts.push(percent_decode_str(value).decode_utf8_lossy().into_owned());
                texts.push(value.to_owned());
            }
            in_query |= part.ends_with('?');
        }
        tokens(literal, texts);
        texts.extend(
            literal.split_once('?').map(|(path, query)| [path, query].map(str::to_owned)).into_iter().flatten(),
        );
        texts.push(literal.to_owned());
    }
}

/// Credentials without their scheme; those of `Basic` also decoded.
fn authorization(value: &str, texts: &mut Vec<String>) {
    let Some((_, credentials)) = value.split_once(' ') else { return };
    texts.push(credentials.to_owned());
    if let Some(typed) = STANDARD.decode(credentials.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
        texts.extend(typed.split_once(':').map(|(_, password)| password.to_owned()));
        texts.push(typed);
    }
}

/// The parts of a text that look like tokens.
fn tokens(text: &str, texts: &mut Vec<String>) {
    let parts = text.split(|char: char| char.is_whitespace() || "/?&=,;\"".contains(char));
    texts.extend(parts.filter(|part| part.len() >= SHORTEST_TOKEN).map(str::to_owned));
}
