//! Writing replies. Agents read options in the order in which they stand, so order is the caller's and is kept.

use std::fmt::Write;

use super::is_allowed;

/// One level of indentation in a recorded reply (plugin 10.0.6+1.1).
const INDENT: &str = "   ";

/// A `<REPLY>` document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    children: Vec<Element>,
}

/// An element. Names come from the program, never from data; values may be any text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// An XML name.
    pub name: String,
    /// Names and values, in order.
    pub attributes: Vec<(String, String)>,
    /// What the element holds, in order.
    pub children: Vec<Node>,
}

/// What an element may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Another element.
    Element(Element),
    /// Text, not escaped.
    Text(String),
}

impl Reply {
    /// An empty reply, which is the answer to a message that was taken.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `<ERROR>text</ERROR>`, which the agent logs.
    #[must_use]
    pub fn error(self, text: &str) -> Self {
        self.child(Element::new("ERROR").text(text))
    }

    /// Adds an element behind the others.
    #[must_use]
    pub fn child(mut self, element: Element) -> Self {
        self.children.push(element);
        self
    }

    /// The whole document, with declaration and final newline.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<REPLY>\n");
        for element in &self.children {
            element.write(1, &mut out);
        }
        out.push_str("</REPLY>\n");
        out
    }
}

impl Element {
    /// An element without attributes and children.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Adds an attribute behind the others.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// Adds a child element behind the others.
    #[must_use]
    pub fn child(mut self, element: Self) -> Self {
        self.children.push(Node::Element(element));
        self
    }

    /// Adds text behind the other children.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.children.push(Node::Text(text.into()));
        self
    }

    /// The element alone, without declaration, so that it can stand inside another document; with a final newline.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out
    }

    /// Writes the element on lines of its own.
    fn write(&self, level: usize, out: &mut String) {
        indent(level, out);
        self.open(out);
        if !self.children.is_empty() {
            // Blanks between an element's texts would become part of them.
            if self
                .children
                .iter()
                .any(|node| matches!(node, Node::Text(_)))
            {
                self.write_inline(out);
            } else {
                out.push('\n');
                for node in &self.children {
                    if let Node::Element(element) = node {
                        element.write(level + 1, out);
                    }
                }
                indent(level, out);
            }
            self.close(out);
        }
        out.push('\n');
    }

    fn write_inline(&self, out: &mut String) {
        for node in &self.children {
            match node {
                Node::Text(text) => escape(text, false, out),
                Node::Element(element) => {
                    element.open(out);
                    if !element.children.is_empty() {
                        element.write_inline(out);
                        element.close(out);
                    }
                }
            }
        }
    }

    fn open(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(value, true, out);
            out.push('"');
        }
        out.push_str(if self.children.is_empty() { "/>" } else { ">" });
    }

    fn close(&self, out: &mut String) {
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

fn indent(level: usize, out: &mut String) {
    for _ in 0..level {
        out.push_str(INDENT);
    }
}

/// Characters that XML cannot carry in any form are dropped. A parser turns blanks in attributes into spaces and `\r` in texts into
/// `\n`, so those go out as references.
fn escape(text: &str, attribute: bool, out: &mut String) {
    for c in text.chars().filter(|c| is_allowed(*c)) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\t' | '\n' if attribute => reference(c, out),
            '\r' => reference(c, out),
            c => out.push(c),
        }
    }
}

fn reference(c: char, out: &mut String) {
    // A String takes every write.
    let _ = write!(out, "&#{};", u32::from(c));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::super::{Limits, parse_request};
    use super::*;

    #[test]
    fn empty_reply_as_recorded() {
        assert_eq!(
            Reply::new().to_xml(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<REPLY>\n</REPLY>\n"
        );
    }

    #[test]
    fn discovery_option_as_recorded() {
        let option = Element::new("OPTION")
            .child(Element::new("NAME").text("NETDISCOVERY"))
            .child(
                Element::new("PARAM")
                    .attribute("THREADS_DISCOVERY", "20")
                    .attribute("TIMEOUT", "1")
                    .attribute("PID", "1"),
            )
            .child(
                Element::new("AUTHENTICATION")
                    .attribute("ID", "2")
                    .attribute("COMMUNITY", "corp&co"),
            );
        let reply = Reply::new()
            .child(option)
            .child(Element::new("RESPONSE").text("SEND"))
            .child(Element::new("PROLOG_FREQ").text("24"));
        let recorded = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<REPLY>\n   <OPTION>\n      <NAME>NETDISCOVERY</NAME>\n      \
                        <PARAM THREADS_DISCOVERY=\"20\" TIMEOUT=\"1\" PID=\"1\"/>\n      \
                        <AUTHENTICATION ID=\"2\" COMMUNITY=\"corp&amp;co\"/>\n   </OPTION>\n   \
                        <RESPONSE>SEND</RESPONSE>\n   <PROLOG_FREQ>24</PROLOG_FREQ>\n</REPLY>\n";
        assert_eq!(reply.to_xml(), recorded);
    }

    #[test]
    fn error_and_escapes() {
        let xml = Reply::new().error("a<b>&c\"\u{1}\u{ffff}\r\n").to_xml();
        assert!(
            xml.contains("   <ERROR>a&lt;b&gt;&amp;c\"&#13;\n</ERROR>\n"),
            "{xml}"
        );
        let xml = Reply::new()
            .child(Element::new("A").attribute("B", "\"<&>\t\n\r\0'"))
            .to_xml();
        assert!(
            xml.contains("   <A B=\"&quot;&lt;&amp;&gt;&#9;&#10;&#13;'\"/>\n"),
            "{xml}"
        );
    }

    #[test]
    fn mixed_content_gets_no_blanks() {
        let inner = Element::new("B").child(Element::new("C").text("y"));
        let xml = Reply::new()
            .child(
                Element::new("A")
                    .text("x")
                    .child(inner)
                    .child(Element::new("D")),
            )
            .to_xml();
        assert!(xml.contains("   <A>x<B><C>y</C></B><D/></A>\n"), "{xml}");
    }

    fn first_attribute(xml: &str) -> String {
        let mut reader = Reader::from_str(xml);
        for _ in 0..50 {
            if let Event::Empty(start) = reader.read_event().unwrap() {
                let attribute = start.attributes().next().unwrap().unwrap();
                return quick_xml::escape::unescape(&attribute.value)
                    .unwrap()
                    .into_owned();
            }
        }
        panic!("no attribute in {xml}");
    }

    proptest! {
        #[test]
        fn text_comes_back(text in any::<String>()) {
            let kept: String = text.chars().filter(|c| is_allowed(*c)).collect();
            let xml = Reply::new().child(Element::new("P").attribute("V", text.clone())).child(Element::new("QUERY").text(text)).to_xml();
            let request = parse_request(&xml, &Limits::default()).unwrap();
            let blank = kept.chars().all(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            prop_assert_eq!(request.query.unwrap(), if blank { "" } else { kept.as_str() });
            prop_assert_eq!(first_attribute(&xml), kept);
        }
    }
}
