//! Who the client really is.
//!
//! Behind a reverse proxy the peer of the connection is the proxy. What it says about the client in X-Forwarded-For and
//! X-Forwarded-Proto counts only when the admin named it a trusted proxy: anybody can send these headers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;

use super::server::Secure;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The client of a request, as far as it can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address; an IPv4-mapped IPv6 address is given as IPv4.
    pub address: IpAddr,
    /// Whether the client spoke HTTPS, to us or to the nearest proxy.
    pub https: bool,
}

impl Client {
    /// The client behind `peer`, which reached us over TLS if `secure`, with `headers`, when the proxies in `trusted` are
    /// believed.
    ///
    /// Proxies append the address that they see, so the list is read from its right end: each trusted address vouches for
    /// the entry left of it, and the first that is not trusted is the client. An entry that is no address ends the walk
    /// at the last proxy that could be named.
    #[must_use]
    pub fn behind(peer: IpAddr, secure: bool, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
        let mut address = peer.to_canonical();
        if !is_trusted(&address) {
            return Self {
                address,
                https: secure,
            };
        }
        // Several headers are one list in the order they stand in (RFC 9110, 5.3).
        let entries = headers.get_all(FORWARDED_FOR).iter().rev();
        let entries = entries.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        for entry in entries {
            let Some(next) = forwarded_address(entry) else {
                break;
            };
            address = next;
            if !is_trusted(&address) {
                break;
            }
        }
        let https = forwarded_https(headers).unwrap_or(secure);
        Self { address, https }
    }
}

/// An entry of X-Forwarded-For: an address, with or without a port, IPv6 with or without brackets.
fn forwarded_address(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bare = entry
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(bare) => IpAddr::V6(bare.parse().ok()?),
        None => match entry.parse::<IpAddr>() {
            Ok(address) => address,
            Err(_) => entry.parse::<SocketAddr>().ok()?.ip(),
        },
    };
    Some(address.to_canonical())
}

/// What the nearest proxy says: the last entry, as each further proxy appends or replaces. `None` when it says nothing known.
fn forwarded_https(headers: &HeaderMap) -> Option<bool> {
    let last = headers.get_all(FORWARDED_PROTO).iter().next_back()?;
    let last = last
        .as_bytes()
        .rsplit(|byte| *byte == b',')
        .next()?
        .trim_ascii();
    if last.eq_ignore_ascii_case(b"https") {
        Some(true)
    } else if last.eq_ignore_ascii_case(b"http") {
        Some(false)
    } else {
        None
    }
}

/// Middleware: puts the [`Client`] into the request's extensions.
///
/// A request that no connection brought (no `ConnectInfo`) has no client; whoever asks for one is refused.
pub(super) async fn identify(
    State(trusted): State<Arc<[IpNet]>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if let Some(ConnectInfo(peer)) = peer {
        let secure = request
            .extensions()
            .get::<Secure>()
            .is_some_and(|secure| secure.0);
        let client = Client::behind(peer.ip(), secure, request.headers(), &trusted);
        request.extensions_mut().insert(client);
    }
    next.run(request).await
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let client = parts.extensions.get::<Self>().copied();
        client.ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(name: &'static str, lines: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for line in lines {
            map.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        map
    }

    fn trusted() -> Vec<IpNet> {
        let nets = ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"];
        nets.iter().map(|net| net.parse().unwrap()).collect()
    }

    #[test]
    fn the_address_is_the_nearest_that_no_proxy_vouches_for() {
        let cases: &[(&str, &[&str], &str)] = &[
            // peer, X-Forwarded-For lines, client
            ("192.0.2.1", &[], "192.0.2.1"),
            ("192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            // A client that wrote an entry itself: only what the proxy appended counts.
            ("127.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", &["10.0.0.1, 198.51.100.7"], "198.51.100.7"),
            // Several proxies, in one line or several.
            (
                "127.0.0.1",
                &["198.51.100.7, 10.1.1.1,10.2.2.2"],
                "198.51.100.7",
            ),
            (
                "127.0.0.1",
                &["203.0.113.9, 198.51.100.7", "10.1.1.1"],
                "198.51.100.7",
            ),
            ("127.0.0.1", &["10.3.3.3, 10.1.1.1"], "10.3.3.3"),
            // Ports, brackets, IPv6.
            ("127.0.0.1", &["198.51.100.7:5123"], "198.51.100.7"),
            ("127.0.0.1", &["[2001:db8::7]:5123"], "2001:db8::7"),
            ("127.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
            ("fd00::1", &["2001:db8::7"], "2001:db8::7"),
            (
                "fd00::1",
                &["::ffff:198.51.100.7, ::ffff:10.1.1.1"],
                "198.51.100.7",
            ),
            // What is no address ends the walk.
            (
                "127.0.0.1",
                &["198.51.100.7, unknown, 10.1.1.1"],
                "10.1.1.1",
            ),
            ("127.0.0.1", &["198.51.100.7, , 10.1.1.1"], "10.1.1.1"),
            ("127.0.0.1", &["198.51.100.7,"], "127.0.0.1"),
            ("127.0.0.1", &[""], "127.0.0.1"),
            ("127.0.0.1", &["[198.51.100.7]"], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.7\u{e9}"], "127.0.0.1"),
        ];
        for (peer, lines, expected) in cases {
            let headers = headers(FORWARDED_FOR, lines);
            let client = Client::behind(peer.parse().unwrap(), false, &headers, &trusted());
            assert_eq!(
                client.address,
                expected.parse::<IpAddr>().unwrap(),
                "{peer} {lines:?}"
            );
        }
    }

    #[test]
    fn the_protocol_is_what_the_nearest_proxy_says() {
        let cases: &[(&str, bool, &[&str], bool)] = &[
            // peer, TLS to us, X-Forwarded-Proto lines, https
            ("192.0.2.1", false, &["https"], false),
            ("192.0.2.1", true, &["http"], true),
            ("127.0.0.1", false, &["https"], true),
            ("127.0.0.1", false, &["HTTPS "], true),
            ("127.0.0.1", true, &["http"], false),
            ("127.0.0.1", true, &[], true),
            ("127.0.0.1", false, &[], false),
            ("127.0.0.1", false, &["wss"], false),
            ("127.0.0.1", true, &["wss"], true),
            ("127.0.0.1", false, &["https, http"], false),
            ("127.0.0.1", false, &["http", "https"], true),
        ];
        for (peer, secure, lines, expected) in cases {
            let headers = headers(FORWARDED_PROTO, lines);
            let client = Client::behind(peer.parse().unwrap(), *secure, &headers, &trusted());
            assert_eq!(client.https, *expected, "{peer} {secure} {lines:?}");
        }
    }

    proptest! {
        #[test]
        fn without_trusted_proxies_no_header_counts(value in "[ -~]{0,40}", peer: [u8; 4]) {
            let mut sent = headers(FORWARDED_FOR, &[&value]);
            sent.extend(headers(FORWARDED_PROTO, &[&value]));
            let client = Client::behind(peer.into(), false, &sent, &[]);
            prop_assert_eq!(client, Client { address: peer.into(), https: false });
        }

        #[test]
        fn an_entry_never_panics(entry: Vec<u8>) {
            let _ = forwarded_address(&entry);
        }
    }
}
