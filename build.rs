//! Compresses the files and tables that the component contains, to keep it small.
//!
//! | file | source |
//! |---|---|
//! | `page.html.gz` | `src/service/page/`: the page with its style and scripts inside |
//! | `openapi.yaml.gz` | `src/service/openapi.yaml` |
//! | `foldings.gz` | the tables of `unicode-normalization`, for `src/folding.rs` |

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, io};

use flate2::Compression;
use flate2::write::GzEncoder;
use unicode_normalization::char::{canonical_combining_class, decompose_compatible};

/// The page's scripts, in the order in which they run.
const SCRIPTS: [&str; 6] = ["base.js", "list.js", "session.js", "set_aside.js", "destinations.js", "start.js"];

fn main() -> io::Result<()> {
    let service = Path::new("src/service");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", service.join("page").display());
    println!("cargo::rerun-if-changed={}", service.join("openapi.yaml").display());
    write("page.html.gz", page(&service.join("page"))?.as_bytes())?;
    write("openapi.yaml.gz", &fs::read(service.join("openapi.yaml"))?)?;
    write("foldings.gz", &foldings())
}

fn write(name: &str, bytes: &[u8]) -> io::Result<()> {
    let to = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    let mut gzip = GzEncoder::new(File::create(to.join(name))?, Compression::best());
    gzip.write_all(bytes)?;
    gzip.finish().map(drop)
}

/// Joins the page into one file: a file that a browser requests separately could be of another version.
fn page(folder: &Path) -> io::Result<String> {
    let read = |name: &str| fs::read_to_string(folder.join(name));
    let scripts = SCRIPTS.iter().map(|name| read(name)).collect::<io::Result<String>>()?;
    let page = read("page.html")?.replacen("<style>\n", &format!("<style>\n{}", read("page.css")?), 1);
    Ok(page.replacen("<script>\n", &format!("<script>\n{scripts}"), 1))
}

/// Two tables: the folding of each character that folds to more than its lower case, and the class of each mark that
/// is kept. Each table is a count, then columns with one value per row: the distance from the previous character, the
/// length of the text, the texts; and the distance, the class. Numbers are written in groups of seven bits, the
/// lowest first.
fn foldings() -> Vec<u8> {
    // Hangul syllables are computed at run time.
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

/// The folding of a character, unless it is its lower case: NFKD, without the marks of Latin, Greek and Cyrillic, in
/// lower case.
fn folding(c: char) -> Option<String> {
    let mut parts = Vec::new();
    decompose_compatible(c, |part| parts.push(part));
    let lower = |parts: Vec<char>| parts.into_iter().filter(|part| !is_removed(*part)).flat_map(char::to_lowercase);
    // Like `src/folding.rs`, for the sigma at the end of a word.
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
