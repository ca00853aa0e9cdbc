//! Reading requests.

use quick_xml::Reader;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use super::{is_allowed, is_name};

/// The fields of a message that the sidecar itself acts on.
///
/// As in the plugin (10.0.6+1.1): names count in any case, the root's name does not matter, texts are not trimmed but a blank one is
/// empty. Of a repeated element the first counts; an element that holds others has no text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `DEVICEID`: who sends.
    pub device_id: Option<String>,
    /// `QUERY`: what kind of message it is.
    pub query: Option<String>,
    /// `TOKEN`: what the agent asks for on its own HTTP server.
    pub token: Option<String>,
    /// `CONTENT/MODULEVERSION`: version of the task that reports.
    pub module_version: Option<String>,
    /// `CONTENT/VERSIONCLIENT`: name and version of the agent.
    pub version_client: Option<String>,
    /// `CONTENT/PROCESSNUMBER`: id of the run that is reported on.
    pub process_number: Option<String>,
}

/// How much of a document is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Elements inside each other, the root included.
    pub max_depth: usize,
    /// Elements of the document.
    pub max_elements: usize,
    /// Length of one field of [`Request`], bytes.
    pub max_text: usize,
}

impl Default for Limits {
    /// 256 levels, where PHP's parser stops too; a million elements, some twenty times a large inventory; 4,096 bytes, where
    /// PHP's columns hold 255 characters.
    fn default() -> Self {
        Self {
            max_depth: 256,
            max_elements: 1_000_000,
            max_text: 4096,
        }
    }
}

/// Why a text is not taken as a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlError {
    /// Not well-formed, from the start to the end.
    #[error("not well-formed at byte {offset}")]
    Malformed {
        /// Bytes of the text read when it was found out.
        offset: u64,
    },
    /// A root without attributes, elements and text, which the plugin calls not well-formed too.
    #[error("the document is empty")]
    Empty,
    /// A document type, with which entities could be defined.
    #[error("a document type is not accepted")]
    Doctype,
    /// Too many elements inside each other.
    #[error("elements lie more than {limit} deep")]
    TooDeep {
        /// [`Limits::max_depth`].
        limit: usize,
    },
    /// Too many elements.
    #[error("more than {limit} elements")]
    TooManyElements {
        /// [`Limits::max_elements`].
        limit: usize,
    },
    /// A field is too long.
    #[error("{field} is longer than {limit} bytes")]
    TooLong {
        /// The element's name.
        field: &'static str,
        /// [`Limits::max_text`].
        limit: usize,
    },
}

/// Reads a message to its end and picks the fields of [`Request`].
///
/// # Errors
/// See [`XmlError`]; of a text that is refused nothing counts.
pub fn parse_request(text: &str, limits: &Limits) -> Result<Request, XmlError> {
    judge_request(text, limits).map(|(request, _)| request)
}

/// The same, and whether every other reader finds the same fields: none is repeated, prefixed, in another case, with attributes, or in parts, and
/// the document is plain XML 1.0.
///
/// # Errors
/// As [`parse_request`].
pub fn judge_request(text: &str, limits: &Limits) -> Result<(Request, bool), XmlError> {
    if may_hold_forbidden(text.as_bytes())
        && let Some((offset, _)) = text.char_indices().find(|(_, c)| !is_allowed(*c))
    {
        return Err(XmlError::Malformed {
            offset: offset as u64,
        });
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut walk = Walk::new(limits);
    loop {
        let event = reader.read_event().map_err(|_| Fault::Syntax);
        let step = event.and_then(|event| walk.step(&event));
        match step {
            Ok(false) => {}
            Ok(true) => return Ok((walk.request, !walk.unclear)),
            Err(Fault::Syntax) => {
                return Err(XmlError::Malformed {
                    offset: reader.buffer_position(),
                });
            }
            Err(Fault::Refused(error)) => return Err(error),
        }
    }
}

/// Whether a text may hold a character that is not allowed, by its bytes: each of these has one that no usual text has. In parts, each of which a
/// processor looks at as a whole.
fn may_hold_forbidden(text: &[u8]) -> bool {
    const PART: usize = 64;
    // Control characters, and the first byte of U+FFFE and U+FFFF.
    let suspicious =
        |byte: u8| (byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0xef;
    text.chunks(PART)
        .any(|part| part.iter().fold(false, |any, byte| any | suspicious(*byte)))
}

/// Longest tag, comment or instruction that every reader takes, bytes: libxml takes names of 50,000 and values of 10 million.
const MOST_MARKUP: usize = 32 * 1024;

/// Longest CDATA section that every reader takes, bytes: libxml takes 10 million.
const MOST_CDATA: usize = 1024 * 1024;

/// Deepest nesting that every reader takes: libxml's.
const MOST_DEPTH: usize = 255;

enum Fault {
    Syntax,
    Refused(XmlError),
}

impl From<XmlError> for Fault {
    fn from(error: XmlError) -> Self {
        Self::Refused(error)
    }
}

#[derive(Clone, Copy)]
enum Field {
    DeviceId,
    Query,
    Token,
    ModuleVersion,
    VersionClient,
    ProcessNumber,
}

impl Field {
    const TOP: [Self; 3] = [Self::DeviceId, Self::Query, Self::Token];
    const CONTENT: [Self; 3] = [
        Self::ModuleVersion,
        Self::VersionClient,
        Self::ProcessNumber,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::DeviceId => "DEVICEID",
            Self::Query => "QUERY",
            Self::Token => "TOKEN",
            Self::ModuleVersion => "MODULEVERSION",
            Self::VersionClient => "VERSIONCLIENT",
            Self::ProcessNumber => "PROCESSNUMBER",
        }
    }

    fn of(self, request: &mut Request) -> &mut Option<String> {
        match self {
            Self::DeviceId => &mut request.device_id,
            Self::Query => &mut request.query,
            Self::Token => &mut request.token,
            Self::ModuleVersion => &mut request.module_version,
            Self::VersionClient => &mut request.version_client,
            Self::ProcessNumber => &mut request.process_number,
        }
    }
}

/// The text of a field that is open.
struct Capture {
    field: Field,
    depth: usize,
    text: String,
    nested: bool,
}

/// Where the walk is, seen from the first `CONTENT`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Before,
    Inside,
    Behind,
}

struct Walk<'l> {
    limits: &'l Limits,
    request: Request,
    /// Nothing but the very first event may be a declaration.
    started: bool,
    /// Whether the root has anything that PHP would see.
    filled: bool,
    depth: usize,
    elements: usize,
    content: Content,
    capture: Option<Capture>,
    /// Another reader may find other fields.
    unclear: bool,
    /// The fields found so far.
    found: Vec<&'static str>,
}

impl<'l> Walk<'l> {
    fn new(limits: &'l Limits) -> Self {
        Self {
            limits,
            request: Request::default(),
            started: false,
            filled: false,
            depth: 0,
            elements: 0,
            content: Content::Before,
            capture: None,
            unclear: false,
            found: Vec::new(),
        }
    }

    /// Takes an event; `true` at the end of the document.
    fn step(&mut self, event: &Event<'_>) -> Result<bool, Fault> {
        match event {
            Event::Decl(declaration) => {
                if self.started || !is_declaration(declaration) {
                    return Err(Fault::Syntax);
                }
                self.unclear |= declaration
                    .version()
                    .is_ok_and(|version| &*version != "1.0");
            }
            Event::DocType(_) => return Err(XmlError::Doctype.into()),
            Event::PI(instruction) => {
                let target = instruction.target();
                if !is_name(target) || target.eq_ignore_ascii_case("xml") {
                    return Err(Fault::Syntax);
                }
                self.unclear |=
                    self.capture.is_some() || !target.is_ascii() || instruction.len() > MOST_MARKUP;
            }
            Event::Comment(comment) => {
                // `--->` ends a comment for some only.
                self.unclear |=
                    self.capture.is_some() || comment.ends_with('-') || comment.len() > MOST_MARKUP;
            }
            Event::Start(start) => self.start(start)?,
            Event::Empty(start) => {
                self.start(start)?;
                self.end();
            }
            Event::End(_) => self.end(),
            Event::Text(text) => {
                if (text.as_bytes().contains(&b']') && text.contains("]]>"))
                    || (self.depth == 0 && !is_blank(text))
                {
                    return Err(Fault::Syntax);
                }
                // Most of a message is in no field.
                if self.capture.is_some() || !self.filled {
                    self.text(&text.xml10_content())?;
                }
            }
            Event::CData(text) => {
                if self.depth == 0 {
                    return Err(Fault::Syntax);
                }
                self.unclear |= self.capture.is_some() || text.len() > MOST_CDATA;
                self.text(&text.xml10_content())?;
            }
            Event::GeneralRef(reference) => {
                if self.depth == 0 {
                    return Err(Fault::Syntax);
                }
                let c = resolve(reference).ok_or(Fault::Syntax)?;
                self.text(c.encode_utf8(&mut [0; 4]))?;
            }
            Event::Eof => {
                return match (self.elements > 0 && self.depth == 0, self.filled) {
                    (false, _) => Err(Fault::Syntax),
                    (true, false) => Err(XmlError::Empty.into()),
                    (true, true) => Ok(true),
                };
            }
        }
        self.started = true;
        Ok(false)
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), Fault> {
        if self.depth == 0 && self.elements > 0 {
            return Err(Fault::Syntax);
        }
        if self.depth >= self.limits.max_depth {
            let limit = self.limits.max_depth;
            return Err(XmlError::TooDeep { limit }.into());
        }
        if self.elements >= self.limits.max_elements {
            let limit = self.limits.max_elements;
            return Err(XmlError::TooManyElements { limit }.into());
        }
        let attributes = check_tag(start)?;
        self.filled |= self.depth > 0 || attributes;
        self.depth += 1;
        self.elements += 1;
        self.unclear |= !start.is_ascii() || start.len() > MOST_MARKUP || self.depth > MOST_DEPTH;

        if let Some(capture) = &mut self.capture {
            capture.nested = true;
            self.unclear = true;
            return Ok(());
        }
        let local = start.local_name();
        let name: &str = local.as_ref();
        if self.depth == 2 && name.eq_ignore_ascii_case("CONTENT") {
            self.found("CONTENT", start);
        }
        let fields = match self.depth {
            2 => Field::TOP,
            3 if self.content == Content::Inside => Field::CONTENT,
            _ => return Ok(()),
        };
        if self.depth == 2
            && self.content == Content::Before
            && name.eq_ignore_ascii_case("CONTENT")
        {
            self.content = Content::Inside;
        }
        let field = fields
            .into_iter()
            .find(|field| name.eq_ignore_ascii_case(field.name()));
        if let Some(field) = field {
            self.found(field.name(), start);
            self.unclear |= attributes;
        }
        self.capture = field.map(|field| Capture {
            field,
            depth: self.depth,
            text: String::new(),
            nested: false,
        });
        Ok(())
    }

    /// Keeps that the element of a field begins.
    fn found(&mut self, field: &'static str, start: &BytesStart<'_>) {
        self.unclear |= self.found.contains(&field) || start.name().as_ref() != field;
        self.found.push(field);
    }

    fn end(&mut self) {
        if let Some(capture) = self.capture.take_if(|capture| capture.depth == self.depth)
            && !capture.nested
        {
            let text = if is_blank(&capture.text) {
                String::new()
            } else {
                capture.text
            };
            capture.field.of(&mut self.request).get_or_insert(text);
        }
        if self.depth == 2 && self.content == Content::Inside {
            self.content = Content::Behind;
        }
        // The reader refuses an end without a start.
        self.depth = self.depth.saturating_sub(1);
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        self.filled |= self.depth == 1 && !is_blank(text);
        let limit = self.limits.max_text;
        match &mut self.capture {
            Some(capture) if capture.depth == self.depth => {
                if capture.text.len() + text.len() > limit {
                    let field = capture.field.name();
                    return Err(XmlError::TooLong { field, limit });
                }
                capture.text.push_str(text);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// XML's blanks are fewer than Unicode's.
fn is_blank(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

/// Checks name and attributes, which the reader does only when asked; tells whether there are attributes.
fn check_tag(start: &BytesStart<'_>) -> Result<bool, Fault> {
    if !is_name(start.name().as_ref()) || !is_spaced(start.attributes_raw()) {
        return Err(Fault::Syntax);
    }
    let mut any = false;
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| Fault::Syntax)?;
        any = true;
        if !is_name(attribute.key.as_ref()) || attribute.value.contains('<') {
            return Err(Fault::Syntax);
        }
        if attribute.value.contains('&') {
            let value = quick_xml::escape::unescape(&attribute.value).map_err(|_| Fault::Syntax)?;
            if !value.chars().all(is_allowed) {
                return Err(Fault::Syntax);
            }
        }
    }
    Ok(any)
}

/// Whether an XML declaration has a version and, behind it and in this order, nothing but what may stand there.
fn is_declaration(declaration: &BytesDecl<'_>) -> bool {
    const NAME: &str = "xml";
    let mut names = ["version", "encoding", "standalone"].into_iter();
    let attributes = declaration.get(NAME.len()..).unwrap_or_default();
    declaration.version().is_ok()
        && is_spaced(attributes)
        && Attributes::new(declaration, NAME.len()).all(|attribute| {
            attribute.is_ok_and(|attribute| names.any(|name| name == attribute.key.as_ref()))
        })
}

/// Whether blanks stand between attributes.
fn is_spaced(attributes: &str) -> bool {
    let mut quote = None;
    let mut closed = false;
    attributes.chars().all(|c| {
        let after = std::mem::take(&mut closed);
        if let Some(open) = quote {
            if open == c {
                quote = None;
                closed = true;
            }
            return true;
        }
        if matches!(c, '"' | '\'') {
            quote = Some(c);
        }
        !after || matches!(c, ' ' | '\t' | '\n' | '\r')
    })
}

/// Without a document type there are five entities.
pub(in crate::proto) fn resolve(reference: &BytesRef<'_>) -> Option<char> {
    if reference.is_char_ref() {
        return reference
            .resolve_char_ref()
            .ok()?
            .filter(|c| is_allowed(*c));
    }
    match &**reference {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
