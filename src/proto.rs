//! Wire formats: bytes to types and back, without IO, clock or logging.
//!
//! An XML message passes [`envelope`], [`charset`] and [`xml`] in this order; an address or a form passes [`query`]. [`relayed`] tells whether PHP
//! reads a message in the same way. [`php`], [`phpjson`]
//! and [`text`] read what GLPI stores and agents get to see, [`coded`] what log lines say, [`password`] what people sign in with. [`week`] draws for
//! people.

pub mod charset;
pub mod coded;
pub mod collect;
pub mod criteria;
pub mod deploy;
pub mod envelope;
pub mod network;
pub mod password;
pub mod php;
pub mod phpjson;
pub mod query;
pub mod relayed;
pub mod said;
pub mod selection;
pub mod text;
pub mod week;
pub mod xml;

#[cfg(test)]
mod tests {
    use super::charset::to_utf8;
    use super::envelope::{Coding, OpenError, open, seal};
    use super::xml::{Limits, XmlError, parse_request};

    const PROLOG: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><REQUEST><DEVICEID>edge-2026-01-01-00-00-00</DEVICEID>\
                          <QUERY>PROLOG</QUERY></REQUEST>";
    const EDGE: Result<&str, &str> = Ok("edge-2026-01-01-00-00-00");
    const NOT_WELL_FORMED: Result<&str, &str> = Err("XML not well formed!");

    /// The device id or the plugin's words, and the coding of the answer.
    fn answered(content_type: &str, body: &[u8]) -> (Result<String, String>, Coding) {
        let refused = || Err(NOT_WELL_FORMED.unwrap_err().to_owned());
        match open(Some(content_type), body, 1 << 20) {
            Ok(opened) => {
                let request = parse_request(&to_utf8(&opened.body), &Limits::default());
                let result = match request {
                    Ok(request) => Ok(request.device_id.unwrap_or_default()),
                    Err(XmlError::Malformed { .. } | XmlError::Empty) => refused(),
                    Err(error) => Err(error.to_string()),
                };
                (result, opened.answer)
            }
            Err(OpenError::Corrupt { answer }) => (refused(), answer),
            Err(error) => (Err(error.to_string()), error.answer()),
        }
    }

    type Case<'a> = (&'a str, &'a str, Vec<u8>, Result<&'a str, &'a str>, Coding);

    #[test]
    fn messages_recorded_with_the_plugin() {
        const XML: &str = "application/xml";
        const ZLIB: &str = "application/x-compress-zlib";
        const GZIP: &str = "application/x-compress-gzip";
        const OTHER: &str = "application/octet-stream";
        let plain = PROLOG.as_bytes();
        let latin1 = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><REQUEST><DEVICEID>poste-\xe9t\xe9</DEVICEID></REQUEST>";
        let cases: [Case<'_>; 15] = [
            ("zlib", ZLIB, seal(PROLOG, Coding::Zlib), EDGE, Coding::Zlib),
            ("gzip", GZIP, seal(PROLOG, Coding::Gzip), EDGE, Coding::Gzip),
            ("plain", XML, plain.to_vec(), EDGE, Coding::Plain),
            ("text/xml", "text/xml", plain.to_vec(), EDGE, Coding::Plain),
            ("no type, plain", "", plain.to_vec(), EDGE, Coding::Plain),
            (
                "other type, zlib",
                OTHER,
                seal(PROLOG, Coding::Zlib),
                EDGE,
                Coding::Zlib,
            ),
            (
                "other type, gzip",
                OTHER,
                seal(PROLOG, Coding::Gzip),
                EDGE,
                Coding::Gzip,
            ),
            (
                "zlib declared, plain",
                ZLIB,
                plain.to_vec(),
                NOT_WELL_FORMED,
                Coding::Zlib,
            ),
            (
                "gzip declared, plain",
                GZIP,
                plain.to_vec(),
                NOT_WELL_FORMED,
                Coding::Gzip,
            ),
            (
                "broken zlib",
                ZLIB,
                seal("<REQUEST><DEVICEID>x", Coding::Zlib),
                NOT_WELL_FORMED,
                Coding::Zlib,
            ),
            (
                "broken plain",
                XML,
                b"<REQUEST><DEVICEID>x".to_vec(),
                NOT_WELL_FORMED,
                Coding::Plain,
            ),
            (
                "empty",
                XML,
                b"<REQUEST/>".to_vec(),
                NOT_WELL_FORMED,
                Coding::Plain,
            ),
            (
                "no id",
                XML,
                b"<REQUEST><QUERY>PROLOG</QUERY></REQUEST>".to_vec(),
                Ok(""),
                Coding::Plain,
            ),
            (
                "undeclared latin-1",
                XML,
                b"<REQUEST><DEVICEID>\xe9dge-2026</DEVICEID></REQUEST>".to_vec(),
                Ok("édge-2026"),
                Coding::Plain,
            ),
            (
                "declared latin-1",
                XML,
                latin1.to_vec(),
                Ok("poste-été"),
                Coding::Plain,
            ),
        ];
        for (name, content_type, body, result, coding) in cases {
            let result = result.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(answered(content_type, &body), (result, coding), "{name}");
        }
    }
}
