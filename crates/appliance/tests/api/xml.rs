//! XML as a tree. A document that is not well-formed is a failed test.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub namespace: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Element>,
    pub text: String,
}

impl Element {
    /// The root of a document.
    pub fn parse(document: &str) -> Self {
        let mut reader = NsReader::from_str(document);
        reader.config_mut().check_end_names = true;
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().unwrap_or_else(|error| panic!("{error}: {document}")) {
                Event::Start(start) => open.push(element(&reader, &start)),
                Event::Empty(start) => {
                    let empty = element(&reader, &start);
                    open.last_mut().unwrap().children.push(empty);
                }
                Event::End(_) => {
                    let closed = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(closed);
                }
                Event::Text(text) => open.last_mut().unwrap().text.push_str(&text),
                Event::GeneralRef(reference) => {
                    let text = quick_xml::escape::unescape(&format!("&{};", &*reference)).unwrap().into_owned();
                    open.last_mut().unwrap().text.push_str(&text);
                }
                Event::Decl(_) | Event::Comment(_) => {}
                Event::Eof => break,
                other => panic!("{other:?} in {document}"),
            }
        }
        assert_eq!((open.len(), open[0].children.len()), (1, 1), "{document}");
        open.remove(0).children.remove(0)
    }

    /// The children with this name.
    pub fn all(&self, name: &str) -> Vec<&Self> {
        self.children.iter().filter(|child| child.name == name).collect()
    }

    /// The element below this one, by names separated by slashes; the first of each name.
    pub fn find(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |element, name| element.children.iter().find(|child| child.name == name))
    }

    /// The text of [`Self::find`]. Empty if there is no such element.
    pub fn text_of(&self, path: &str) -> &str {
        self.find(path).map_or("", |element| &element.text)
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The attribute `lsid` of each child.
    pub fn lsids(&self) -> Vec<&str> {
        self.children.iter().filter_map(|child| child.attribute("lsid")).collect()
    }
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart) -> Element {
    let (namespace, name) = reader.resolver().resolve_element(start.name());
    let ResolveResult::Bound(namespace) = namespace else { panic!("{start:?} has no namespace") };
    let attributes = start.attributes().map(|attribute| {
        let attribute = attribute.unwrap();
        (attribute.key.as_ref().to_owned(), attribute.normalized_value(XmlVersion::Implicit1_0).unwrap().into_owned())
    });
    Element {
        name: name.as_ref().to_owned(),
        namespace: namespace.as_ref().to_owned(),
        attributes: attributes.filter(|(name, _)| name != "xmlns").collect(),
        ..Element::default()
    }
}
