//! The promises of the fuzz targets, checked without a fuzzer: for every seed, and for every input that once broke one.
//!
//! `cargo xtask fuzz` puts such inputs into `fuzz/crashes/`, where they stay.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::support::seven;

/// The files of a folder. Empty if the folder does not exist.
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

/// Reads a file, and prints its name: a failing test shows it.
fn read_input(file: &Path) -> Vec<u8> {
    println!("{}", file.display());
    fs::read(file).unwrap()
}

#[test]
fn inputs_that_once_broke_a_promise_keep_it() {
    for file in files("crashes/parse") {
        crate::promises::form::hold(&read_input(&file));
    }
    for file in files("crashes/service") {
        crate::promises::visit::hold(&read_input(&file));
    }
    for file in files("crashes/packs") {
        crate::promises::pack::hold(&read_input(&file));
    }
    for file in files("crashes/reports") {
        crate::promises::report::hold(&read_input(&file));
    }
}

#[test]
fn seeds_of_packs_are_read_or_reported() {
    let seeds = files("seeds/packs");
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|file| crate::promises::pack::hold(&read_input(file)));
}

#[test]
fn seeds_of_answers_are_read_or_refused() {
    let seeds = files("seeds/reports");
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|file| crate::promises::report::hold(&read_input(file)));
}

#[test]
fn seeds_of_forms_include_the_seven_events_of_the_guide() {
    let forms: Vec<_> = files("seeds/parse").iter().map(|file| read_input(file)).collect();
    for (event, form) in seven() {
        assert!(forms.contains(&form.into_bytes()), "{event} is not among them");
    }
    forms.iter().for_each(|form| crate::promises::form::hold(form));
}

#[test]
fn seeds_of_visits_get_every_kind_of_answer() {
    let visits: Vec<_> = files("seeds/service").iter().map(|file| read_input(file)).collect();
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
