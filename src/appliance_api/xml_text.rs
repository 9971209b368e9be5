//! The text of an XML document: UTF-8, references, ends of lines; and the faults of a document.

use std::borrow::Cow;

use quick_xml::escape::unescape;

/// Why a document cannot be read. The message completes a sentence that begins with the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum XmlError {
    /// Its end is missing.
    #[error("it breaks off")]
    BreaksOff,
    /// It breaks a rule of XML.
    #[error("it is not well-formed XML: it {0}")]
    NotWellFormed(&'static str),
    /// It is encoded in another way.
    #[error("it is in {0}, not in UTF-8")]
    Encoding(String),
    /// Bytes that are not UTF-8.
    #[error("it is not in UTF-8")]
    NotUtf8,
    /// U+0000.
    #[error("it has a NUL character")]
    Nul,
    /// It declares its own document type.
    #[error("it has a document type definition, which is refused")]
    Dtd,
    /// A reference that XML does not define.
    #[error("it has a reference that XML does not define")]
    Reference,
    /// Its elements are nested too deeply.
    #[error("its elements are nested too deeply")]
    TooDeep,
    /// A tag or a list of attributes is too long.
    #[error("it has a tag that is too long")]
    TooLong,
}

/// The most bytes of a reference, such as `&quot;` or `&#x1F600;`.
const MAX_REFERENCE_BYTES: usize = 32;

/// How much of a text can be decoded before more of it arrives.
pub(super) fn complete_text(text: &[u8]) -> usize {
    let recent = text.len().saturating_sub(MAX_REFERENCE_BYTES - 1);
    let after = text.get(recent..).unwrap_or_default();
    let unfinished = after.iter().rposition(|byte| *byte == b'&');
    let unfinished = unfinished.filter(|at| !after.get(*at..).unwrap_or_default().contains(&b';'));
    unfinished.map_or_else(|| complete_characters(text), |at| recent.saturating_add(at))
}

/// How much of a text ends with a whole character, and with a whole end of a line.
pub(super) fn complete_characters(text: &[u8]) -> usize {
    for (back, byte) in (1..=3_usize).zip(text.iter().rev()) {
        let length = match byte {
            0x80..0xC0 => continue,
            b'\r' if back == 1 => 2,
            0xC0..0xE0 => 2,
            0xE0..0xF0 => 3,
            0xF0.. => 4,
            _ => 1,
        };
        return if back < length { text.len().saturating_sub(back) } else { text.len() };
    }
    text.len()
}

/// Decodes text with references. Everything before a fault is emitted.
pub(super) fn decode(text: &[u8], emit: &mut dyn FnMut(&str)) -> Result<(), XmlError> {
    let (valid, fault) = valid_part(text);
    let mut parts = valid.split('&');
    emit_lines(parts.next().unwrap_or_default(), emit);
    for part in parts {
        let (reference, rest) = part.split_once(';').ok_or(XmlError::Reference)?;
        if reference.len().saturating_add(2) > MAX_REFERENCE_BYTES {
            return Err(XmlError::Reference);
        }
        emit(&unescape(&format!("&{reference};")).map_err(|_| XmlError::Reference)?);
        emit_lines(rest, emit);
    }
    fault.map_or(Ok(()), Err)
}

/// Decodes text without references.
pub(super) fn decode_raw(text: &[u8], emit: &mut dyn FnMut(&str)) -> Result<(), XmlError> {
    let (valid, fault) = valid_part(text);
    emit_lines(valid, emit);
    fault.map_or(Ok(()), Err)
}

/// Decodes the value of an attribute.
pub(super) fn decode_value(value: Cow<'_, str>) -> Result<Cow<'_, str>, XmlError> {
    if !value.contains('&') {
        return Ok(value);
    }
    let mut decoded = String::new();
    decode(value.as_bytes(), &mut |part| decoded.push_str(part))?;
    Ok(decoded.into())
}

/// Checks text that has no references to decode.
pub(super) fn utf8(text: &[u8]) -> Result<&str, XmlError> {
    match valid_part(text) {
        (valid, None) => Ok(valid),
        (_, Some(fault)) => Err(fault),
    }
}

/// The text up to the first fault, and the fault.
fn valid_part(text: &[u8]) -> (&str, Option<XmlError>) {
    let (valid, is_utf8) = match std::str::from_utf8(text) {
        Ok(valid) => (valid, true),
        Err(error) => {
            let valid = text.get(..error.valid_up_to()).unwrap_or_default();
            (std::str::from_utf8(valid).unwrap_or_default(), false)
        }
    };
    match valid.split_once('\0') {
        Some((valid, _)) => (valid, Some(XmlError::Nul)),
        None => (valid, (!is_utf8).then_some(XmlError::NotUtf8)),
    }
}

/// Emits text with every end of a line as a line feed (XML 1.0, 2.11).
fn emit_lines(text: &str, emit: &mut dyn FnMut(&str)) {
    if text.contains('\r') {
        emit(&text.replace("\r\n", "\n").replace('\r', "\n"));
    } else if !text.is_empty() {
        emit(text);
    }
}
