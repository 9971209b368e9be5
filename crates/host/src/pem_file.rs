//! PEM files as text editors save them: with byte order marks, or as UTF-16.

use std::borrow::Cow;

/// Starts a UTF-8 file of some editors. The PEM parser would skip the line behind it, and with it a certificate or key.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Three of the five hyphens that begin a PEM label, in UTF-16 of either byte order.
const UTF_16_HYPHENS: &[u8] = b"-\0-\0-";

/// The file is UTF-16, which no TLS library reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Utf16;

/// The PEM text of a file, without byte order marks. They can occur within a file: `cat` joins files that begin with
/// one.
pub(crate) fn text(file: &[u8]) -> Result<Cow<'_, [u8]>, Utf16> {
    if file.starts_with(b"\xff\xfe") || file.starts_with(b"\xfe\xff") || contains(file, UTF_16_HYPHENS) {
        return Err(Utf16);
    }
    if !contains(file, BYTE_ORDER_MARK) {
        return Ok(Cow::Borrowed(file));
    }
    let mut text = Vec::with_capacity(file.len());
    let mut rest = file;
    while let Some((byte, after)) = rest.split_first() {
        match rest.strip_prefix(BYTE_ORDER_MARK) {
            Some(after_mark) => rest = after_mark,
            None => {
                text.push(*byte);
                rest = after;
            }
        }
    }
    Ok(Cow::Owned(text))
}

fn contains(file: &[u8], part: &[u8]) -> bool {
    file.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::{Utf16, text};

    #[test]
    fn byte_order_marks_are_removed_and_utf_16_is_refused() {
        let pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        let little: Vec<u8> = pem.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = pem.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let cases: [(Vec<u8>, Result<String, Utf16>); 9] = [
            (pem.into(), Ok(pem.to_owned())),
            (format!("\u{feff}{pem}").into(), Ok(pem.to_owned())),
            (format!("\u{feff}{pem}\u{feff}{pem}").into(), Ok(format!("{pem}{pem}"))),
            (Vec::new(), Ok(String::new())),
            (little.clone(), Err(Utf16)),
            (big.clone(), Err(Utf16)),
            ([b"\xff\xfe".as_slice(), &little].concat(), Err(Utf16)),
            ([b"\xfe\xff".as_slice(), &big].concat(), Err(Utf16)),
            (b"\xff\xfe".into(), Err(Utf16)),
        ];
        for (file, expected) in cases {
            let text = text(&file).map(|text| String::from_utf8(text.into_owned()).unwrap());
            assert_eq!(text, expected, "{file:?}");
        }
    }
}
