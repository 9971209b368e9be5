//! A writer of XML. What it writes is well-formed, whatever the texts are.

/// An XML document while it is written.
pub struct XmlWriter(String);

impl XmlWriter {
    /// A document of one element in a default namespace.
    pub fn document(name: &str, namespace: &str, content: impl FnOnce(&mut Self)) -> String {
        let mut writer = Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned());
        writer.element(name, &[("xmlns", namespace)], content);
        writer.0.push('\n');
        writer.0
    }

    /// An element with attributes and content. `name` and the names of attributes are valid names of XML.
    pub fn element(&mut self, name: &str, attributes: &[(&str, &str)], content: impl FnOnce(&mut Self)) {
        self.0.push('<');
        self.0.push_str(name);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            value.chars().for_each(|character| self.character(character, true));
            self.0.push('"');
        }
        let before = self.0.len();
        self.0.push('>');
        content(self);
        if self.0.len() == before + 1 {
            self.0.truncate(before);
            self.0.push_str("/>");
        } else {
            self.0.push_str("</");
            self.0.push_str(name);
            self.0.push('>');
        }
    }

    /// An element with attributes and a text.
    pub fn text_element(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.element(name, attributes, |writer| writer.text(text));
    }

    /// A text. Characters that XML does not allow become U+FFFD.
    pub fn text(&mut self, text: &str) {
        text.chars().for_each(|character| self.character(character, false));
    }

    /// In an attribute, a line break or a tab would be read as a blank. A carriage return would be read as a line break
    /// anywhere.
    fn character(&mut self, character: char, in_attribute: bool) {
        match character {
            '&' => self.0.push_str("&amp;"),
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            '"' if in_attribute => self.0.push_str("&quot;"),
            '\r' => self.0.push_str("&#13;"),
            '\n' if in_attribute => self.0.push_str("&#10;"),
            '\t' if in_attribute => self.0.push_str("&#9;"),
            character if is_allowed(character) => self.0.push(character),
            _ => self.0.push('\u{FFFD}'),
        }
    }
}

/// Whether XML 1.0 allows a character.
pub fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::XmlWriter;

    #[test]
    fn every_text_is_escaped() {
        let hostile = "]]> <a b='c'>&\"\t\n\r\0\u{1b}\u{FFFE}\u{1F600}";
        let document = XmlWriter::document("list", "urn:x&y", |writer| {
            writer.text_element("one", &[("at", hostile)], hostile);
            writer.element("none", &[], |_| {});
        });
        let text = "]]&gt; &lt;a b='c'&gt;&amp;\"\t\n&#13;\u{FFFD}\u{FFFD}\u{FFFD}\u{1F600}";
        let attribute = text.replace('"', "&quot;").replace('\t', "&#9;").replace('\n', "&#10;");
        assert_eq!(
            document,
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<list xmlns=\"urn:x&amp;y\"><one at=\"{attribute}\">{text}</one><none/></list>\n"
            )
        );
    }
}
