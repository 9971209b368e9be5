//! Parts of files that are generated from the code. Each is between the lines `generated: NAME` and `end of
//! generated`, in comments of the file.

use std::path::Path;

/// With this variable in the environment, the files are written instead of compared.
const UPDATE: &str = "UPDATE_DOCS";

/// Fails unless the part `name` of a file is `expected`, and says how to update it.
pub fn assert_generated(file: &Path, name: &str, expected: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    let (before, part, after) =
        split(&text, name).unwrap_or_else(|| panic!("{} has no generated part {name}", file.display()));
    if part == expected {
        return;
    }
    if std::env::var_os(UPDATE).is_some() {
        return std::fs::write(file, [before, expected, after].concat()).unwrap();
    }
    panic!(
        "{} does not match the code. Run this test with {UPDATE}=1 in the environment to write:\n{expected}",
        file.display()
    );
}

/// The text before the part, including its first line; the part; the text after it.
fn split<'t>(text: &'t str, name: &str) -> Option<(&'t str, &'t str, &'t str)> {
    let first = text.find(&format!("generated: {name}"))?;
    let begin = first + text.get(first..)?.find('\n')? + 1;
    let last = begin + text.get(begin..)?.find("end of generated")?;
    let end = text.get(..last)?.rfind('\n')? + 1;
    Some((text.get(..begin)?, text.get(begin..end)?, text.get(end..)?))
}

#[test]
fn a_part_is_found_between_its_lines() {
    let text = "a\n# generated: x\nb\n# end of generated\n<!-- generated: y -->\n<!-- end of generated -->\nc\n";
    let parts = |name| split(text, name).map(|(_, part, _)| part);
    assert_eq!((parts("x"), parts("y"), parts("z")), (Some("b\n"), Some(""), None));
}
