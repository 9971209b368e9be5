//! Makes what the component serves or looks up, smaller than its sources: all of it is a part of the component.
//!
//! | made | of |
//! |---|---|
//! | `page.html.gz` | `src/page/`: the styles and the modules, put into the page (`build/page.rs`, `build/modules.rs`) |
//! | `page.csp` | the page's content security policy, with the hashes of its style and script |
//! | `openapi.yaml.gz` | `src/service/openapi.yaml` |
//! | `foldings.gz` | the tables of `unicode-normalization`, for `src/folding.rs` |

#[path = "build/modules.rs"]
mod modules;
#[path = "build/page.rs"]
mod page;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, io};

use flate2::Compression;
use flate2::write::GzEncoder;
use unicode_normalization::char::{canonical_combining_class, decompose_compatible};

const OPENAPI: &str = "src/service/openapi.yaml";

const PAGE: &str = "src/page";

fn main() -> io::Result<()> {
    for source in ["build.rs", "build", PAGE, OPENAPI] {
        println!("cargo::rerun-if-changed={source}");
    }
    match page::Page::from_folder(Path::new(PAGE)) {
        Ok(page) => {
            write_gzip("page.html.gz", page.document.as_bytes())?;
            fs::write(made("page.csp"), page.policy)?;
        }
        Err(reason) => println!("cargo::error={reason}"),
    }
    write_gzip("openapi.yaml.gz", &fs::read(OPENAPI)?)?;
    write_gzip("foldings.gz", &foldings())
}

fn made(name: &str) -> PathBuf {
    env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default().join(name)
}

fn write_gzip(name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut gzip = GzEncoder::new(File::create(made(name))?, Compression::best());
    gzip.write_all(bytes)?;
    gzip.finish().map(drop)
}

/// Two tables. The first has the text that each character becomes, the second the combining class of each mark that is
/// kept. Each table is the count of its rows, then its columns: the distance from the character before, then the
/// lengths of the texts and the texts, or the classes. Numbers are written seven bits a byte, the lowest first.
fn foldings() -> Vec<u8> {
    // The algorithm for Hangul needs no table.
    let all = || ('\u{80}'..=char::MAX).filter(|c| !('\u{ac00}'..='\u{d7a3}').contains(c));
    let folded: Vec<_> = all().filter_map(|c| Some((c, folding(c)?))).collect();
    let classes = all().filter(|c| !is_removed(*c)).map(|c| (c, canonical_combining_class(c)));
    let classes: Vec<_> = classes.filter(|(_, class)| *class > 0).collect();
    let mut table = Vec::new();
    rows(&mut table, folded.iter().map(|(c, _)| *c));
    folded.iter().for_each(|(_, text)| number(&mut table, text.len() as u32));
    folded.iter().for_each(|(_, text)| table.extend_from_slice(text.as_bytes()));
    rows(&mut table, classes.iter().map(|(c, _)| *c));
    table.extend(classes.iter().map(|(_, class)| *class));
    table
}

/// The text that a character becomes, unless lower case alone makes it: NFKD in lower case, without the marks of Latin,
/// Greek and Cyrillic.
fn folding(c: char) -> Option<String> {
    let mut parts = Vec::new();
    decompose_compatible(c, |part| parts.push(part));
    let lower = |parts: Vec<char>| parts.into_iter().filter(|part| !is_removed(*part)).flat_map(char::to_lowercase);
    // `src/folding.rs` treats the sigma at the end of a word in the same way.
    (parts != [c]).then(|| lower(parts).map(|c| if c == 'ς' { 'σ' } else { c }).collect())
}

fn is_removed(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

fn rows(table: &mut Vec<u8>, chars: impl ExactSizeIterator<Item = char>) {
    number(table, chars.len() as u32);
    let mut last = 0;
    for c in chars.map(u32::from) {
        number(table, c - last);
        last = c;
    }
}

fn number(table: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        table.push(number as u8 | 0x80);
        number >>= 7;
    }
    table.push(number as u8);
}
