//! XML messages as trees, to compare what they mean.

use std::collections::BTreeMap;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// Deepest nesting that is read; answers to agents have less than ten levels.
const MAX_DEPTH: usize = 64;

/// An element. Blanks around texts do not count, the order of attributes neither; the order of elements does: the agent
/// reads options by position.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    /// Text before the first child.
    text: String,
    children: Vec<Self>,
    /// Text between this element and the next.
    tail: String,
}

/// Why a text is no XML document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum XmlError {
    /// The parser refuses it.
    #[error("not well-formed: {0}")]
    Syntax(String),
    /// No element, several, or text beside the only one.
    #[error("not exactly one root element")]
    Root,
    /// More than [`MAX_DEPTH`] levels.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    Depth,
    /// A document type or an entity of its own.
    #[error("declares or uses own entities")]
    Entity,
}

/// The tree of a document.
pub(super) fn parse(text: &str) -> Result<Element, XmlError> {
    let mut reader = Reader::from_str(text);
    // The bottom element stands for the document.
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(syntax)?;
        match event {
            Event::Start(start) => {
                if open.len() > MAX_DEPTH {
                    return Err(XmlError::Depth);
                }
                open.push(element(&start)?);
            }
            Event::End(_) => close(&mut open),
            Event::Empty(start) => {
                open.push(element(&start)?);
                close(&mut open);
            }
            Event::Text(text) => append(&mut open, &text.xml10_content()),
            Event::CData(data) => append(&mut open, &data.xml10_content()),
            Event::GeneralRef(reference) => {
                if let Some(char) = reference.resolve_char_ref().map_err(syntax)? {
                    append(&mut open, char.encode_utf8(&mut [0; 4]));
                } else {
                    append(
                        &mut open,
                        resolve_predefined_entity(&reference).ok_or(XmlError::Entity)?,
                    );
                }
            }
            Event::DocType(_) => return Err(XmlError::Entity),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    let mut document = open
        .pop()
        .filter(|_| open.is_empty())
        .ok_or(XmlError::Root)?;
    let mut root = document
        .children
        .pop()
        .filter(|_| document.children.is_empty())
        .ok_or(XmlError::Root)?;
    if !document.text.trim().is_empty() || !root.tail.trim().is_empty() {
        return Err(XmlError::Root);
    }
    trim(&mut root);
    Ok(root)
}

fn element(start: &BytesStart<'_>) -> Result<Element, XmlError> {
    let mut attributes = BTreeMap::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(syntax)?;
        let value = attribute
            .normalized_value(XmlVersion::Explicit1_0)
            .map_err(syntax)?;
        attributes.insert(attribute.key.as_ref().to_owned(), value.into_owned());
    }
    Ok(Element {
        name: start.name().as_ref().to_owned(),
        attributes,
        ..Element::default()
    })
}

fn close(open: &mut Vec<Element>) {
    if let (Some(done), Some(parent)) = (open.pop(), open.last_mut()) {
        parent.children.push(done);
    }
}

fn append(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        match element.children.last_mut() {
            Some(before) => before.tail.push_str(text),
            None => element.text.push_str(text),
        }
    }
}

fn trim(element: &mut Element) {
    element.text = element.text.trim().to_owned();
    element.tail = element.tail.trim().to_owned();
    element.children.iter_mut().for_each(trim);
}

fn syntax(error: impl std::fmt::Display) -> XmlError {
    XmlError::Syntax(error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "<?xml version=\"1.0\"?>\n<REPLY>\n  <A>1</A>\n</REPLY>\n",
        "<REPLY><A> 1 </A></REPLY>"
    )]
    #[case("<R a='1' b='2'/>", "<R b=\"2\" a=\"1\"></R>")]
    #[case("<R>a&amp;&#233;</R>", "<R><![CDATA[a&]]>é</R>")]
    #[case("<R><!-- free --><A/></R>", "<R><A/></R>")]
    fn same_tree(#[case] a: &str, #[case] b: &str) {
        assert_eq!(parse(a).unwrap(), parse(b).unwrap());
    }

    #[rstest]
    #[case("<R><A/><B/></R>", "<R><B/><A/></R>")]
    #[case("<R><A>1</A></R>", "<R><A>2</A></R>")]
    #[case("<R a='1'/>", "<R a='2'/>")]
    #[case("<R a='1'/>", "<R/>")]
    #[case("<R><A/></R>", "<R><A/><A/></R>")]
    #[case("<R><A/></R>", "<R><A/>x</R>")]
    #[case("<R><A/></R>", "<R>x<A/></R>")]
    #[case("<R/>", "<r/>")]
    fn other_tree(#[case] a: &str, #[case] b: &str) {
        assert_ne!(parse(a).unwrap(), parse(b).unwrap());
    }

    #[rstest]
    #[case("", XmlError::Root)]
    #[case("<A/><B/>", XmlError::Root)]
    #[case("<A/>x", XmlError::Root)]
    #[case("x<A/>", XmlError::Root)]
    #[case("<A>", XmlError::Root)]
    #[case("<!DOCTYPE R [<!ENTITY e 'x'>]><R>&e;</R>", XmlError::Entity)]
    #[case("<R>&e;</R>", XmlError::Entity)]
    fn no_document(#[case] text: &str, #[case] error: XmlError) {
        assert_eq!(parse(text), Err(error));
    }

    #[test]
    fn syntax_errors_are_told() {
        for text in [
            "<R><A></R>",
            "<R a=1/>",
            "<R>&#xFFFFFFFF;</R>",
            "<R",
            "</R>",
        ] {
            assert!(matches!(parse(text), Err(XmlError::Syntax(_))), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(parse(&nested(MAX_DEPTH + 1)), Err(XmlError::Depth));
        assert_eq!(parse(&"<a>".repeat(100_000)), Err(XmlError::Depth));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[<>/a=\"'&;#x1!\\[\\]-]{0,40}") {
            let _ = parse(&text);
        }
    }
}
