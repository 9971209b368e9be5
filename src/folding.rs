//! Folds text for searches: NFKD, without U+0300 to U+036F, in lower case. So `zoe` finds `Zoë` in every spelling,
//! and `istanbul` finds `İSTANBUL`. Stored text is not changed.
//!
//! The tables come from the crate `unicode-normalization` at build time (`build.rs`), where they are some 100 KB. The
//! component has them compressed to 11 KB, and unpacks them when the first text needs them.

use std::io::Read as _;
use std::sync::OnceLock;

use flate2::bufread::GzDecoder;

const TABLES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/foldings.gz"));

/// Folds a text.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    static UNPACKED: OnceLock<Foldings> = OnceLock::new();
    UNPACKED.get_or_init(|| Foldings::unpacked().unwrap_or_default()).fold(text)
}

/// The tables that `build.rs` writes.
#[derive(Default)]
struct Foldings {
    /// Characters that fold to a text, in order, each with the end of its text in `texts`.
    chars: Vec<(u32, usize)>,
    texts: String,
    /// Marks that are kept, in order, each with its combining class. Marks of one letter are sorted by class.
    classes: Vec<(u32, u8)>,
}

impl Foldings {
    fn unpacked() -> Option<Self> {
        let mut table = Vec::new();
        GzDecoder::new(TABLES).read_to_end(&mut table).ok()?;
        let mut rest = table.as_slice();
        let rows = rows(&mut rest)?;
        let (mut chars, mut end) = (Vec::with_capacity(rows.len()), 0);
        for row in rows {
            end += number(&mut rest)? as usize;
            chars.push((row, end));
        }
        let (texts, mut rest) = rest.split_at_checked(end)?;
        let marks = self::rows(&mut rest)?;
        let classes = marks.into_iter().zip(rest.iter().copied()).collect();
        Some(Self { chars, texts: str::from_utf8(texts).ok()?.to_owned(), classes })
    }

    fn fold(&self, text: &str) -> String {
        let mut folded = Vec::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '\u{300}'..='\u{36f}' => {}
                '\u{ac00}'..='\u{d7a3}' => folded.extend(jamo(c).into_iter().flatten()),
                // The sigma at the end of a word has no capital of its own.
                'ς' => folded.push('σ'),
                _ => match self.text_of(c) {
                    Some(text) => folded.extend(text.chars()),
                    None => folded.extend(c.to_lowercase()),
                },
            }
        }
        let mut folded: Vec<_> = folded.into_iter().map(|c| (self.class_of(c), c)).collect();
        put_marks_in_order(&mut folded);
        folded.into_iter().map(|(_, c)| c).collect()
    }

    fn text_of(&self, c: char) -> Option<&str> {
        let at = self.chars.binary_search_by_key(&u32::from(c), |(known, _)| *known).ok()?;
        let start = at.checked_sub(1).and_then(|before| self.chars.get(before)).map_or(0, |(_, end)| *end);
        self.texts.get(start..self.chars.get(at)?.1)
    }

    fn class_of(&self, c: char) -> u8 {
        let at = self.classes.binary_search_by_key(&u32::from(c), |(known, _)| *known);
        at.ok().and_then(|at| self.classes.get(at)).map_or(0, |(_, class)| *class)
    }
}

/// A mark is moved back over at most this many marks. Text has at most 30 marks in a row (UAX #15, stream-safe text),
/// and a name with thousands must not make searches slow.
const MOST_MARKS: usize = 64;

/// Sorts the marks of one letter by class. They are few, so a real sort would only add code to the component.
fn put_marks_in_order(folded: &mut [(u8, char)]) {
    for end in 1..folded.len() {
        for at in (1..=end).rev().take(MOST_MARKS) {
            match folded.get_mut(at - 1..=at) {
                Some([before, mark]) if mark.0 > 0 && before.0 > mark.0 => std::mem::swap(before, mark),
                _ => break,
            }
        }
    }
}

/// The letters of a Hangul syllable (Unicode 3.12).
fn jamo(syllable: char) -> [Option<char>; 3] {
    let number = u32::from(syllable) - 0xac00;
    let last = number % 28;
    let letters = [Some(0x1100 + number / 588), Some(0x1161 + number % 588 / 28), (last > 0).then_some(0x11a7 + last)];
    letters.map(|letter| letter.and_then(char::from_u32))
}

fn rows(rest: &mut &[u8]) -> Option<Vec<u32>> {
    let (count, mut last) = (number(rest)?, 0);
    let row = |_| {
        last += number(rest)?;
        Some(last)
    };
    (0..count).map(row).collect()
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let mut read = 0;
    for shift in (0..32).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        read |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(read);
        }
    }
    None
}
