//! The promises of the fuzz targets, tested without a fuzzer: with every seed, and every input that once broke one.
//!
//! `cargo xtask fuzz` writes its findings to `fuzz/crashes/`, where they stay.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::support::seven;

/// The files of a folder, or none where there is no such folder.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
            Vec::new()
        }
    }
}

/// Prints the file's name, which a failing test shows.
fn read(file: &Path) -> Vec<u8> {
    println!("{}", file.display());
    fs::read(file).unwrap()
}

#[test]
fn what_once_broke_a_promise_no_longer_does() {
    for file in files("crashes/parse") {
        crate::promises::form::hold(&read(&file));
    }
    for file in files("crashes/service") {
        crate::promises::visit::hold(&read(&file));
    }
    for file in files("crashes/packs") {
        crate::promises::pack::hold(&read(&file));
    }
}

#[test]
fn packs_that_the_fuzzer_starts_from_are_read_or_named() {
    let seeds = files("seeds/packs");
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|file| crate::promises::pack::hold(&read(file)));
}

#[test]
fn forms_that_the_fuzzer_starts_from_are_the_guides_seven_and_more() {
    let forms: Vec<_> = files("seeds/parse").iter().map(|file| read(file)).collect();
    for (event, form) in seven() {
        assert!(forms.contains(&form.into_bytes()), "{event} is not among them");
    }
    forms.iter().for_each(|form| crate::promises::form::hold(form));
}

#[test]
fn visits_that_the_fuzzer_starts_from_meet_every_answer_there_is() {
    let visits: Vec<_> = files("seeds/service").iter().map(|file| read(file)).collect();
    let met: BTreeSet<_> = visits.iter().flat_map(|visit| crate::promises::visit::hold(visit)).collect();
    let met: Vec<_> = met.iter().map(|(status, result)| (*status, result.as_str())).collect();
    let expected = [
        (200, ""),
        (200, "duplicate"),
        (200, "set-aside"),
        (200, "stored"),
        (204, ""),
        (400, ""),
        (400, "set-aside"),
        (401, ""),
        (404, ""),
        (405, ""),
        (409, ""),
        (413, ""),
        (415, ""),
        (503, ""),
    ];
    assert_eq!(met, expected);
}
