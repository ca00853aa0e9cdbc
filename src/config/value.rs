//! One value: from text to type. Each function says what it takes when it refuses.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use chrono_tz::Tz;
use ipnet::IpNet;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use url::Url;

use super::{LogFormat, Tokens};

/// Why a value is refused; where it stands is added by the caller.
pub(super) type Refusal = String;

/// A whole number in `range`, of `unit`.
pub(super) fn number<T: TryFrom<u64>>(
    text: &str,
    range: &RangeInclusive<u64>,
    unit: &str,
) -> Result<T, Refusal> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| {
        let (least, most) = range.clone().into_inner();
        format!("'{text}' is no whole number{unit} from {least} to {most}")
    })
}

/// `on` or `off`.
pub(super) fn switch(text: &str) -> Result<bool, Refusal> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("'{text}' is neither on nor off")),
    }
}

/// A path; it need not exist yet.
pub(super) fn path(text: &str) -> Result<PathBuf, Refusal> {
    if text.is_empty() || text.contains('\0') {
        return Err("is no path".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// Address and port to listen on.
pub(super) fn listen(text: &str) -> Result<SocketAddr, Refusal> {
    text.parse().map_err(|_| {
        format!(
            "'{text}' is no ADDRESS:PORT with an IP address, such as 127.0.0.1:8086 or [::]:8086"
        )
    })
}

/// Whether two listeners cannot be at these addresses at the same time; port 0 is a free one each time.
pub(super) fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    // A listener on [::] takes IPv4 too.
    let covers = |all: IpAddr, ip: IpAddr| match all {
        IpAddr::V4(all) => all.is_unspecified() && ip.is_ipv4(),
        IpAddr::V6(all) => all.is_unspecified(),
    };
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    one.port() == other.port() && one.port() != 0 && (a == b || covers(a, b) || covers(b, a))
}

/// A zone of the IANA database.
pub(super) fn timezone(text: &str) -> Result<Tz, Refusal> {
    text.parse()
        .map_err(|_| format!("'{text}' is no time zone such as Europe/Berlin"))
}

/// Fewest characters of a token: as many as 128 bits have in hexadecimal.
const LEAST_TOKEN: usize = 32;

/// Tokens, separated by commas. The refusal does not repeat them.
pub(super) fn tokens(text: &str) -> Result<Tokens, Refusal> {
    // What may stand behind Bearer (RFC 6750, 2.1).
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    let all: Vec<&str> = text.split(',').map(str::trim).collect();
    let good = |token: &&str| token.len() >= LEAST_TOKEN && token.chars().all(plain);
    if all.iter().all(good) {
        return Ok(Tokens::new(all));
    }
    Err(format!(
        "takes tokens of {LEAST_TOKEN} or more letters, digits and the signs - . _ ~ + / =, separated by commas"
    ))
}

/// Address of a web server, to which paths are appended.
pub(super) fn web_address(text: &str) -> Result<Url, Refusal> {
    let url = Url::parse(text).map_err(|error| format!("'{text}' is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "'{text}' begins neither with http:// nor with https://"
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!(
            "'{text}' must not have a ? or #: paths are appended to it"
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold neither user nor password".to_owned());
    }
    Ok(url)
}

/// Addresses and networks, separated by commas.
pub(super) fn networks(text: &str) -> Result<Vec<IpNet>, Refusal> {
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let network = |part: &str| {
        part.parse::<IpNet>()
            .ok()
            .or_else(|| part.parse::<IpAddr>().ok().map(IpNet::from))
    };
    parts
        .map(|part| {
            network(part)
                .ok_or_else(|| format!("'{part}' is no address or network such as 10.0.0.0/8"))
        })
        .collect()
}

/// Paths, separated by commas; the empty one (or `/`) is the root. No path ends in `/`, none appears twice.
pub(super) fn prefixes(text: &str) -> Result<Vec<String>, Refusal> {
    let mut prefixes: Vec<String> = Vec::new();
    for part in text.split(',') {
        let part = part.trim();
        let prefix = part.trim_end_matches('/');
        // Anything else would need encoding in a URL or mean something in the table of routes.
        let plain = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && segment
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c))
        };
        if !prefix.is_empty()
            && !prefix
                .strip_prefix('/')
                .is_some_and(|path| path.split('/').all(plain))
        {
            return Err(format!(
                "'{part}' is no path such as /plugins/fusioninventory (letters, digits and -._~)"
            ));
        }
        if !prefixes.iter().any(|known| known == prefix) {
            prefixes.push(prefix.to_owned());
        }
    }
    Ok(prefixes)
}

/// A filter in tracing's words. Tracing takes any word for the name of a part of some program: one that is misspelt would silence
/// everything else, so a word alone must be a level, and this program must be meant by something.
pub(super) fn log_filter(text: &str) -> Result<String, Refusal> {
    let refusal = |reason: &dyn std::fmt::Display| {
        format!("'{text}' is no filter such as info or warn,fusion_sidecar=debug: {reason}")
    };
    EnvFilter::try_new(text).map_err(|error| refusal(&error))?;
    let mut meant = false;
    for part in text.split(',') {
        if part.parse::<LevelFilter>().is_ok() {
            meant = true;
        } else if !part.contains(['=', '[']) {
            return Err(refusal(&format_args!(
                "'{part}' is none of off, error, warn, info, debug and trace"
            )));
        }
        meant |= part.starts_with("fusion_sidecar") || part.starts_with('[');
    }
    if meant {
        Ok(text.to_owned())
    } else {
        Err(refusal(&"nothing of fusion_sidecar would be logged"))
    }
}

/// `text` or `json`.
pub(super) fn log_format(text: &str) -> Result<LogFormat, Refusal> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("'{text}' is neither text nor json")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_have_both_bounds() {
        assert_eq!(number("1", &(1..=300), ""), Ok(1_usize));
        assert_eq!(number("300", &(1..=300), ""), Ok(300_u32));
        for text in ["0", "-1", "", "1.5", "16M", "301", "18446744073709551616"] {
            let refusal = number::<u32>(text, &(1..=300), "").unwrap_err();
            assert_eq!(
                refusal,
                format!("'{text}' is no whole number from 1 to 300")
            );
            let refusal = number::<u64>(text, &(1..=300), " of seconds").unwrap_err();
            assert_eq!(
                refusal,
                format!("'{text}' is no whole number of seconds from 1 to 300")
            );
        }
        // One that its type does not hold.
        assert!(number::<u8>("300", &(1..=300), "").is_err());
    }

    #[test]
    fn words() {
        assert_eq!((switch("on"), switch("off")), (Ok(true), Ok(false)));
        assert_eq!(
            (log_format("text"), log_format("json")),
            (Ok(LogFormat::Text), Ok(LogFormat::Json))
        );
        assert!(switch("yes").is_err() && log_format("JSON").is_err());
        assert_eq!(timezone("Europe/Berlin"), Ok(chrono_tz::Europe::Berlin));
        assert_eq!(
            timezone("Europe/Atlantis").unwrap_err(),
            "'Europe/Atlantis' is no time zone such as Europe/Berlin"
        );
        assert!(path("").is_err() && path("a").is_ok());
    }

    #[test]
    fn filters_of_the_log() {
        for text in [
            "info",
            "OFF",
            "3",
            "warn,fusion_sidecar=debug",
            "fusion_sidecar::http=debug",
            "hyper=debug,info,",
            "[request]=debug",
        ] {
            assert_eq!(log_filter(text).as_deref(), Ok(text));
        }
        for (text, reason) in [
            ("fusion_sidecar=loud", ""),
            (
                "nonsense",
                "'nonsense' is none of off, error, warn, info, debug and trace",
            ),
            (
                "info,debgu",
                "'debgu' is none of off, error, warn, info, debug and trace",
            ),
            (
                "fusion_sidcar=debug",
                "nothing of fusion_sidecar would be logged",
            ),
        ] {
            let refusal = log_filter(text).unwrap_err();
            let begins =
                format!("'{text}' is no filter such as info or warn,fusion_sidecar=debug: ");
            assert!(refusal.starts_with(&begins), "{refusal}");
            assert!(refusal.ends_with(reason), "{refusal}");
        }
    }

    #[test]
    fn addresses() {
        assert!(listen("[::1]:80").is_ok());
        assert!(listen("localhost:80").is_err() && listen("127.0.0.1").is_err());
        assert!(web_address("https://glpi.example/glpi").is_ok());
        for text in [
            "glpi.example",
            "ftp://glpi.example",
            "https://glpi.example/?a=1",
            "https://glpi.example/#a",
            "http://u:pw@glpi.example",
        ] {
            let refusal = web_address(text).unwrap_err();
            assert!(!refusal.contains("pw"), "{refusal}");
        }
    }

    #[test]
    fn lists_of_networks() {
        let found = networks("127.0.0.1, 10.0.0.0/8,::1").unwrap();
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]
        );
        assert_eq!(networks(""), Ok(Vec::new()));
        assert_eq!(
            networks("127.0.0.1,proxy").unwrap_err(),
            "'proxy' is no address or network such as 10.0.0.0/8"
        );
    }

    #[test]
    fn lists_of_prefixes() {
        for (text, expected) in [
            ("", &[""][..]),
            ("/", &[""]),
            ("/a/b/,/a/b,", &["/a/b", ""]),
            (",/glpi", &["", "/glpi"]),
        ] {
            assert_eq!(prefixes(text).unwrap(), expected, "{text}");
        }
        for text in [
            "glpi", "/a//b", "/../a", "/a/{x}", "/a b", "/a?b", "/ä", "//a",
        ] {
            assert!(prefixes(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn prefixes_are_normal(text in "[/a.,{ ]*") {
            if let Ok(found) = prefixes(&text) {
                prop_assert!(found.iter().all(|prefix| prefix.is_empty() || (prefix.starts_with('/') && !prefix.ends_with('/'))));
                prop_assert_eq!(prefixes(&found.join(",")), Ok(found));
            }
        }
    }
}
