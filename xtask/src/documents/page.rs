//! What the check needs of one Markdown file.

use std::collections::BTreeSet;
use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The most columns of a line of prose.
pub const MAX_COLUMNS: usize = 120;

/// A Markdown file, parsed. Line numbers begin with 1.
#[derive(Debug, Default)]
pub struct Page {
    /// The anchors of its headings, as GitHub makes them.
    pub anchors: BTreeSet<String>,
    /// The line and the target of each link and picture.
    pub links: Vec<(usize, String)>,
    /// The line and the text of each code span, and of each line of code blocks. Lines that end with `\` are joined.
    pub code: Vec<(usize, String)>,
    /// The number and the columns of each line that is too long.
    pub long_lines: Vec<(usize, usize)>,
}

impl Page {
    /// Parses the text of a file.
    pub fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let line_of = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        let parser = Parser::new_ext(text, Options::ENABLE_TABLES);
        // Lines in these ranges can have any length.
        let mut unbroken: Vec<Range<usize>> =
            parser.reference_definitions().iter().map(|(_, definition)| definition.span.clone()).collect();
        let (mut heading, mut block) = (None::<String>, None::<String>);
        for (event, range) in parser.into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => page.add_anchor(&heading.take().unwrap_or_default()),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push((line_of(range.start), dest_url.into_string()));
                }
                Event::Start(Tag::Table(_)) => unbroken.push(range),
                Event::Start(Tag::CodeBlock(_)) => {
                    block = Some(String::new());
                    unbroken.push(range);
                }
                Event::End(TagEnd::CodeBlock) => {
                    let code = block.take().unwrap_or_default().replace("\\\n", " ");
                    page.code.extend(code.lines().map(|line| (line_of(range.start), line.to_owned())));
                }
                Event::Code(code) => {
                    heading.iter_mut().for_each(|heading| heading.push_str(&code));
                    page.code.push((line_of(range.start), code.into_string()));
                }
                Event::Text(text) => heading.iter_mut().chain(&mut block).for_each(|to| to.push_str(&text)),
                _ => {}
            }
        }
        page.long_lines = long_lines(text, &unbroken);
        page
    }

    /// Adds the anchor of a heading. Later headings of the same text get a number.
    fn add_anchor(&mut self, heading: &str) {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let anchor: String = heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-");
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let free = [anchor.clone()].into_iter().chain(numbered).find(|anchor| !self.anchors.contains(anchor));
        self.anchors.extend(free);
    }
}

fn long_lines(text: &str, unbroken: &[Range<usize>]) -> Vec<(usize, usize)> {
    let (mut start, mut long) = (0, Vec::new());
    for (number, line) in (1..).zip(text.split('\n')) {
        let (columns, end) = (line.chars().count(), start + line.len());
        let is_unbroken = unbroken.iter().any(|range| range.start < end.max(start + 1) && start < range.end);
        if columns > MAX_COLUMNS && !is_unbroken {
            long.push((number, columns));
        }
        start = end + 1;
    }
    long
}
