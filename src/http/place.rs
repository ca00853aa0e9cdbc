//! What lies at an address below a prefix, as a web server with PHP reads it.
//!
//! What agents ask is judged before PHP hears of it, so that nothing may reach PHP's agent code by an address that is written in another way.
//! Servers differ; what any of them might take for an agents' address counts as one.

use percent_encoding::percent_decode_str;

/// Addresses where agents send XML and ask for their configuration.
pub(super) const MAIN: [&str; 4] = [
    "/",
    "/index.php",
    "/front/communication.php",
    "/front/plugin_fusioninventory.communication.php",
];

/// Directories of the agents' REST back ends.
pub(super) const BACKENDS: [&str; 3] = ["/b/deploy", "/b/collect", "/b/esx"];

/// Under which names a back end's directory answers.
pub(super) const INDEXES: [&str; 3] = ["", "/", "/index.php"];

/// What lies at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Exactly an address of agents.
    Agents,
    /// An address of agents, written in another way.
    Respelt,
    /// One of the plugin's pages or files.
    Page,
    /// Nothing: servers may read it differently, or it leads out of the plugin's directory.
    Refused,
}

impl Place {
    /// What lies at `path`: what stands behind the prefix, undecoded.
    pub(super) fn of(path: &str) -> Self {
        if is_agents(path) {
            return Self::Agents;
        }
        let Some(plain) = decode(path) else {
            return Self::Refused;
        };
        let mut segments = Vec::new();
        for raw in plain.split('/').filter(|segment| !segment.is_empty()) {
            let segment = name(raw);
            if segment.is_empty() || has_short_name(&segment) {
                return Self::Refused;
            }
            segments.push(segment);
        }
        let reached: Vec<&str> = segments.iter().map(String::as_str).collect();
        if runs_for_agents(&reached) {
            Self::Respelt
        } else {
            Self::Page
        }
    }
}

fn is_agents(path: &str) -> bool {
    let backend = || {
        let index = BACKENDS
            .iter()
            .find_map(|directory| path.strip_prefix(directory));
        index.is_some_and(|index| INDEXES.contains(&index))
    };
    path.is_empty() || MAIN.contains(&path) || backend()
}

/// The path without its percent-encodings; none when what it is cannot be said, or when it holds what parts segments only for some.
fn decode(path: &str) -> Option<String> {
    let bytes = path.as_bytes();
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let is_encoding = |at: usize| hex(at + 1) && hex(at + 2);
    let mut percents = path.match_indices('%');
    if !percents.all(|(at, _)| is_encoding(at)) {
        return None;
    }
    let lower = path.to_ascii_lowercase();
    if ["%2f", "%5c", "%00"]
        .iter()
        .any(|code| lower.contains(code))
    {
        return None;
    }
    let plain: String = percent_decode_str(path).decode_utf8().ok()?.into_owned();
    // The plugin has no file whose name needs more than these; a second decoding must find nothing.
    let odd =
        |c: char| !c.is_ascii() || c.is_ascii_control() || matches!(c, '\\' | '%' | '?' | '#');
    (!plain.contains(odd)).then_some(plain)
}

/// The file that a segment names: without parameters and streams, without the dots and blanks at its end that some file systems drop, in one
/// case.
fn name(segment: &str) -> String {
    let file = segment.split([';', ':']).next().unwrap_or_default();
    file.trim_matches(' ')
        .trim_end_matches(['.', ' '])
        .to_ascii_lowercase()
}

/// Whether this may be the short name of another file, such as `COMMUN~1.PHP`.
fn has_short_name(segment: &str) -> bool {
    let mut pairs = segment.as_bytes().windows(2);
    pairs.any(|pair| matches!(pair, [b'~', digit] if digit.is_ascii_digit()))
}

/// Whether a request for these segments may run code for agents: a script with whatever behind it, also without its extension (which
/// content negotiation adds), and everything below a back end's directory.
fn runs_for_agents(segments: &[&str]) -> bool {
    let stem = |name: &str| {
        let script = name.strip_suffix(".php").unwrap_or(name);
        matches!(
            script,
            "communication" | "plugin_fusioninventory.communication"
        )
    };
    match segments {
        [] | ["index" | "index.php", ..] => true,
        ["front", script, ..] => stem(script),
        ["b", backend, ..] => matches!(*backend, "deploy" | "collect" | "esx"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_of_agents() {
        for path in [
            "",
            "/",
            "/index.php",
            "/front/communication.php",
            "/front/plugin_fusioninventory.communication.php",
            "/b/deploy",
            "/b/deploy/",
            "/b/collect/index.php",
            "/b/esx",
        ] {
            assert_eq!(Place::of(path), Place::Agents, "{path}");
        }
    }

    #[test]
    fn other_spellings_of_them() {
        for path in [
            "//",
            "///index.php",
            "/index.php/",
            "/index.php/x",
            "/index.php//",
            "/%69ndex.php",
            "/index%2ephp",
            "/index.php%20",
            "/%20index.php",
            "/index.php.",
            "/index.php::$DATA",
            "/index.php;x",
            "/;x/index.php/;y",
            "/INDEX.PHP",
            "/Index.php/x",
            "/index",
            "/index/x",
            "/front//communication.php",
            "//front/communication.php",
            "/front/communication.php/x.css",
            "/front;x/communication.php",
            "/FRONT/Communication.php",
            "/front/communication",
            "/front/plugin_fusioninventory.communication.php/",
            "/front/plugin_fusioninventory%2Ecommunication.php",
            "/b//deploy",
            "/b/deploy//",
            "/b/deploy/index.php/",
            "/b/deploy/index.php/x",
            "/b/Deploy/",
            "/b/%64eploy/",
            "/b/collect/x",
            "/b;/esx;/",
            "/B/ESX",
        ] {
            let place = Place::of(path);
            // A segment that is a parameter alone is refused, which is as good.
            let refused = path.contains("/;") && place == Place::Refused;
            assert!(place == Place::Respelt || refused, "{path}: {place:?}");
        }
    }

    #[test]
    fn pages() {
        for path in [
            "/front/agent.php",
            "/front/task.form.php",
            "/front/send_inventory.php",
            "/front/communication2.php",
            "/front/",
            "/front",
            "/ajax/taskmonitoring.php",
            "/css/a%20b.css",
            "/css/views.css",
            "/pics/menu_mini_agents.png",
            "/lib/x@1.2/d3+.min.js",
            "/js//footer.js",
            "/b/",
            "/b/other/",
            "/x/index.php",
            "/x~y",
        ] {
            assert_eq!(Place::of(path), Place::Page, "{path}");
        }
    }

    #[test]
    fn what_is_nothing() {
        for path in [
            "/.",
            "/..",
            "/./index.php",
            "/x/../index.php",
            "/front/../../../front/computer.php",
            "/%2e%2e/x",
            "/.%2E/x",
            "/..%2fx",
            "/..%5Cx",
            "/..\\x",
            "/x%00.css",
            "/index.php%00",
            "/.../x",
            "/..;/x",
            "/.;x/index.php",
            "/. /x",
            "/%20/x",
            "/:x/y",
            "/%2569ndex.php",
            "/%252e%252e/x",
            "/a%25b",
            "/%zz",
            "/a%",
            "/a%2",
            "/%c0%ae%c0%ae/x",
            "/%e9",
            "/%ef%bc%8e%ef%bc%8e/x",
            "/%0aindex.php",
            "/index.php%3fx",
            "/index.php%23",
            "/front/COMMUN~1.PHP",
            "/x\u{212a}",
        ] {
            assert_eq!(Place::of(path), Place::Refused, "{path:?}");
        }
    }

    proptest! {
        /// Read as the laxest server would, a page lies in the plugin's directory and is no agents' address.
        #[test]
        fn a_page_is_never_anything_else(parts in proptest::collection::vec(0..PARTS.len(), 0..8), any in "[ -~]{0,12}") {
            let path = format!("/{}{any}", parts.iter().map(|part| PARTS[*part]).collect::<String>());
            if Place::of(&path) == Place::Page {
                let mut lax = path;
                for _ in 0..3 {
                    lax = percent_decode_str(&lax).decode_utf8_lossy().to_lowercase();
                }
                let mut at: Vec<&str> = Vec::new();
                for segment in lax.split(['/', '\\', '\0']).map(|part| part.split([';', ':']).next().unwrap()) {
                    match segment.trim_start_matches(' ').trim_end_matches([' ', '.']) {
                        "" if segment.contains("..") => prop_assert!(at.pop().is_some(), "{lax}"),
                        "" => {}
                        name => at.push(name),
                    }
                }
                let found = format!("/{}", at.join("/"));
                for address in MAIN.iter().chain(&BACKENDS) {
                    let inside = found.strip_prefix(address).is_some_and(|rest| *address != "/" && (rest.is_empty() || rest.starts_with('/')));
                    prop_assert!(found != *address && !inside, "{found}");
                }
            }
        }

        #[test]
        fn never_panics(path in any::<String>()) {
            let _ = Place::of(&path);
        }
    }

    const PARTS: [&str; 24] = [
        "/",
        "/",
        ".",
        "..",
        "index.php",
        "front",
        "communication.php",
        "b",
        "deploy",
        "esx",
        "%2e",
        "%2f",
        "%69",
        "%25",
        "%5c",
        "\\",
        ";x",
        "%00",
        "I",
        "%20",
        "~1",
        "plugin_fusioninventory.",
        ".css",
        "%c0%ae",
    ];
}
