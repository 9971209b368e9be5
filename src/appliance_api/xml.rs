//! XML that arrives in parts. An answer can be large, so it is read as it arrives, and only the unfinished end of it
//! is kept.
//!
//! This is a strict reader of a small language: elements, attributes, text, CDATA, comments, instructions. It refuses
//! what an appliance never sends: document type definitions, entities of their own, other encodings than UTF-8, deep
//! nesting. Names are matched without their prefixes, since the namespaces differ by product and age.
//!
//! The parts can be of any size: the result is always the same, also the error. Each byte is looked at a bounded
//! number of times.

use std::borrow::Cow;

use quick_xml::events::BytesStart;
use quick_xml::parser::{ElementParser, Parser as _};

use super::xml_text::{self, XmlError};

/// The deepest nesting of elements. The schema needs about ten.
const MAX_DEPTH: usize = 64;

/// The most bytes of a tag.
const MAX_TAG_BYTES: usize = 128 * 1024;

/// The most bytes of the XML declaration.
const MAX_DECLARATION_BYTES: usize = 256;

/// The most bytes of a name.
const MAX_NAME_BYTES: usize = 256;

/// The most attributes of an element.
const MAX_ATTRIBUTES: usize = 64;

/// Receives the content of a document. Every `open` has its `close`, unless the document is not well-formed.
pub(super) trait XmlSink {
    /// An element begins. The name has no prefix.
    fn open(&mut self, name: &str, attributes: &XmlAttributes<'_>);
    /// A part of the text of the innermost element. One text can come in many parts.
    fn text(&mut self, part: &str);
    /// The innermost element ends.
    fn close(&mut self);
}

/// The attributes of an element, with their prefixes.
pub(super) struct XmlAttributes<'t>(Vec<(&'t str, Cow<'t, str>)>);

impl XmlAttributes<'_> {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }
}

/// A document that is being read.
#[derive(Default)]
pub(super) struct XmlReader {
    /// What has arrived and is not read.
    buffer: Vec<u8>,
    /// What comes next.
    position: XmlPosition,
    /// How much of the unfinished tag at the beginning of the buffer was searched for its end, and where that is.
    searched: usize,
    tag: ElementParser,
    has_root: bool,
    /// The names of the open elements, with their prefixes, one after the other; and where each begins.
    names: String,
    open: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum XmlPosition {
    /// The first byte.
    #[default]
    Begin,
    /// Text or markup.
    Content,
    /// The rest of a comment.
    Comment,
    /// The rest of a section whose text has no markup.
    Cdata,
    /// The rest of an instruction.
    Instruction,
}

/// The length of what was read, or `None` if it is not complete.
type StepResult = Result<Option<usize>, XmlError>;

const UTF_8_MARK: &[u8] = b"\xEF\xBB\xBF";
const COMMENT: &[u8] = b"<!--";
const CDATA: &[u8] = b"<![CDATA[";
const DECLARATION: &[u8] = b"<?xml";

impl XmlReader {
    /// Reads the next part.
    pub(super) fn push(&mut self, part: &[u8], sink: &mut dyn XmlSink) -> Result<(), XmlError> {
        self.buffer.extend_from_slice(part);
        self.read(false, sink)
    }

    /// Reads the end. An error if the document is not complete.
    pub(super) fn finish(mut self, sink: &mut dyn XmlSink) -> Result<(), XmlError> {
        self.read(true, sink)?;
        let ends = self.buffer.is_empty() && self.position == XmlPosition::Content;
        if ends && self.has_root && self.open.is_empty() { Ok(()) } else { Err(XmlError::BreaksOff) }
    }

    fn read(&mut self, is_end: bool, sink: &mut dyn XmlSink) -> Result<(), XmlError> {
        // Taken, so that its slices can be used while the reader changes.
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut read = 0_usize;
        while let Some(length) = self.step(buffer.get(read..).unwrap_or_default(), is_end, sink)? {
            read = read.saturating_add(length);
        }
        buffer.drain(..read.min(buffer.len()));
        self.buffer = buffer;
        Ok(())
    }

    fn step(&mut self, rest: &[u8], is_end: bool, sink: &mut dyn XmlSink) -> StepResult {
        match self.position {
            XmlPosition::Begin => self.byte_order_mark(rest, is_end),
            _ if rest.is_empty() => Ok(None),
            XmlPosition::Content if rest.starts_with(b"<") => self.markup(rest, sink),
            XmlPosition::Content => self.text(rest, is_end, sink),
            XmlPosition::Comment => Ok(self.skip(rest, b"-->")),
            XmlPosition::Instruction => Ok(self.skip(rest, b"?>")),
            XmlPosition::Cdata => self.cdata(rest, sink),
        }
    }

    fn byte_order_mark(&mut self, rest: &[u8], is_end: bool) -> StepResult {
        if rest.len() < UTF_8_MARK.len() && !is_end {
            return Ok(None);
        }
        if rest.starts_with(b"\xFE\xFF") || rest.starts_with(b"\xFF\xFE") {
            return Err(XmlError::Encoding("UTF-16".to_owned()));
        }
        self.position = XmlPosition::Content;
        Ok(Some(if rest.starts_with(UTF_8_MARK) { UTF_8_MARK.len() } else { 0 }))
    }

    fn text(&mut self, rest: &[u8], is_end: bool, sink: &mut dyn XmlSink) -> StepResult {
        let end = match rest.iter().position(|byte| *byte == b'<') {
            Some(end) => end,
            None if is_end && self.open.is_empty() => rest.len(),
            None => xml_text::complete_text(rest),
        };
        let text = rest.get(..end).unwrap_or_default();
        if !self.open.is_empty() {
            xml_text::decode(text, &mut |part| sink.text(part))?;
        } else if !text.iter().all(u8::is_ascii_whitespace) {
            return Err(XmlError::NotWellFormed("has text outside its root element"));
        }
        Ok((end > 0).then_some(end))
    }

    fn markup(&mut self, rest: &[u8], sink: &mut dyn XmlSink) -> StepResult {
        let may_become = |markup: &[u8]| rest.len() < markup.len() && markup.starts_with(rest);
        if may_become(COMMENT) || may_become(CDATA) || may_become(DECLARATION) {
            return Ok(None);
        }
        let (position, length) = match rest {
            _ if rest.starts_with(COMMENT) => (XmlPosition::Comment, COMMENT.len()),
            _ if rest.starts_with(CDATA) && self.open.is_empty() => {
                return Err(XmlError::NotWellFormed("has text outside its root element"));
            }
            _ if rest.starts_with(CDATA) => (XmlPosition::Cdata, CDATA.len()),
            [_, b'?', ..] if self.may_be_declaration(rest) => return self.declaration(rest),
            [_, b'?', ..] => (XmlPosition::Instruction, 2),
            [_, b'!', ..] => return Err(XmlError::Dtd),
            [_, b'/', ..] => return self.end_tag(rest, sink),
            _ => return self.start_tag(rest, sink),
        };
        self.position = position;
        Ok(Some(length))
    }

    /// Skips up to this end, which itself may be there in part.
    fn skip(&mut self, rest: &[u8], end: &[u8]) -> Option<usize> {
        if let Some(found) = find(rest, end) {
            self.position = XmlPosition::Content;
            return Some(found.saturating_add(end.len()));
        }
        let skipped = rest.len().saturating_sub(end.len().saturating_sub(1));
        (skipped > 0).then_some(skipped)
    }

    fn cdata(&mut self, rest: &[u8], sink: &mut dyn XmlSink) -> StepResult {
        const END: &[u8] = b"]]>";
        let mut emit = |part: &str| sink.text(part);
        if let Some(found) = find(rest, END) {
            xml_text::decode_raw(rest.get(..found).unwrap_or_default(), &mut emit)?;
            self.position = XmlPosition::Content;
            return Ok(Some(found.saturating_add(END.len())));
        }
        let known = rest.get(..rest.len().saturating_sub(END.len() - 1)).unwrap_or_default();
        let length = xml_text::complete_characters(known);
        xml_text::decode_raw(known.get(..length).unwrap_or_default(), &mut emit)?;
        Ok((length > 0).then_some(length))
    }

    /// Whether an instruction is the XML declaration. It stands before the root.
    fn may_be_declaration(&self, rest: &[u8]) -> bool {
        let ends = rest.get(DECLARATION.len()).is_none_or(u8::is_ascii_whitespace);
        rest.starts_with(DECLARATION) && ends && !self.has_root
    }

    fn declaration(&mut self, rest: &[u8]) -> StepResult {
        const END: &[u8] = b"?>";
        let Some(found) = find(rest, END) else {
            return if rest.len() > MAX_DECLARATION_BYTES { Err(XmlError::TooLong) } else { Ok(None) };
        };
        if found >= MAX_DECLARATION_BYTES {
            return Err(XmlError::TooLong);
        }
        let content = xml_text::utf8(rest.get(2..found).unwrap_or_default())?;
        let declaration = BytesStart::from_content(content, 3);
        if let Some(encoding) = attributes(&declaration)?.get("encoding") {
            // US-ASCII is a part of UTF-8.
            if !["utf-8", "utf8", "us-ascii"].contains(&encoding.to_ascii_lowercase().as_str()) {
                return Err(XmlError::Encoding(encoding.to_owned()));
            }
        }
        Ok(Some(found.saturating_add(END.len())))
    }

    fn start_tag(&mut self, rest: &[u8], sink: &mut dyn XmlSink) -> StepResult {
        let Some(content) = self.tag_content(rest)? else { return Ok(None) };
        let length = content.len().saturating_add(2);
        let (content, is_empty) = match content.strip_suffix('/') {
            Some(content) => (content, true),
            None => (content, false),
        };
        let name_length = content.find(|char: char| char.is_ascii_whitespace()).unwrap_or(content.len());
        let name = content.get(..name_length).unwrap_or_default();
        if !is_name(name) {
            return Err(XmlError::NotWellFormed("has an element whose name is not valid"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(XmlError::TooDeep);
        }
        if self.open.is_empty() && self.has_root {
            return Err(XmlError::NotWellFormed("has more than one root element"));
        }
        self.has_root = true;
        let element = BytesStart::from_content(content, name_length);
        sink.open(local_name(name), &attributes(&element)?);
        if is_empty {
            sink.close();
        } else {
            self.open.push(self.names.len());
            self.names.push_str(name);
        }
        Ok(Some(length))
    }

    fn end_tag(&mut self, rest: &[u8], sink: &mut dyn XmlSink) -> StepResult {
        let Some(content) = self.tag_content(rest)? else { return Ok(None) };
        let begin = self.open.pop();
        let name = begin.and_then(|begin| self.names.get(begin..));
        if name != content.strip_prefix('/').map(|name| name.trim_ascii_end()) {
            return Err(XmlError::NotWellFormed("has an end tag that does not match its start tag"));
        }
        self.names.truncate(begin.unwrap_or_default());
        sink.close();
        Ok(Some(content.len().saturating_add(2)))
    }

    /// What a tag at the beginning has between its brackets. `None` if the tag is not complete.
    fn tag_content<'t>(&mut self, rest: &'t [u8]) -> Result<Option<&'t str>, XmlError> {
        let found = self.tag.feed(rest.get(self.searched..).unwrap_or_default());
        let end = found.map(|found| self.searched.saturating_add(found));
        self.searched = rest.len();
        if end.unwrap_or(rest.len()) > MAX_TAG_BYTES {
            return Err(XmlError::TooLong);
        }
        let Some(end) = end else { return Ok(None) };
        (self.searched, self.tag) = (0, ElementParser::default());
        let content = xml_text::utf8(rest.get(1..end).unwrap_or_default())?;
        if content.contains('<') {
            return Err(XmlError::NotWellFormed("has a tag inside a tag"));
        }
        Ok(Some(content))
    }
}

fn find(rest: &[u8], end: &[u8]) -> Option<usize> {
    rest.windows(end.len()).position(|window| window == end)
}

fn local_name(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn is_name(name: &str) -> bool {
    let is_inside = |char: char| char.is_ascii_alphanumeric() || "-_.:".contains(char) || !char.is_ascii();
    name.len() <= MAX_NAME_BYTES
        && name.starts_with(|char: char| is_inside(char) && !char.is_ascii_digit() && !"-.".contains(char))
        && name.chars().all(is_inside)
}

fn attributes<'t>(element: &'t BytesStart<'_>) -> Result<XmlAttributes<'t>, XmlError> {
    let mut read = Vec::new();
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|_| XmlError::NotWellFormed("has an attribute that is not valid"))?;
        if read.len() >= MAX_ATTRIBUTES {
            return Err(XmlError::TooLong);
        }
        read.push((attribute.key.into_inner(), xml_text::decode_value(attribute.value)?));
    }
    Ok(XmlAttributes(read))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics when it fails")]
mod tests {
    use super::*;

    /// Counts what it is given.
    #[derive(Default)]
    struct CountedText(usize);

    impl XmlSink for CountedText {
        fn open(&mut self, _name: &str, _attributes: &XmlAttributes<'_>) {}
        fn text(&mut self, part: &str) {
            self.0 += part.len();
        }
        fn close(&mut self) {}
    }

    #[test]
    fn only_the_unfinished_end_is_kept() {
        for (begin, end) in
            [("<a>", "</a>"), ("<a><![CDATA[", "]]></a>"), ("<a><!--", "--></a>"), ("<a><?x ", "?></a>")]
        {
            let (mut reader, mut counted) = (XmlReader::default(), CountedText::default());
            reader.push(begin.as_bytes(), &mut counted).unwrap();
            for _ in 0..5_000 {
                reader.push(&[b'x'; 1_024], &mut counted).unwrap();
                assert!(reader.buffer.len() <= 2 && reader.buffer.capacity() <= 8 * 1024, "{begin}");
            }
            reader.push(end.as_bytes(), &mut counted).unwrap();
            reader.finish(&mut counted).unwrap();
            let is_text = begin == "<a>" || begin.ends_with('[');
            assert_eq!(counted.0, if is_text { 5_000 * 1_024 } else { 0 }, "{begin}");
        }
    }
}
