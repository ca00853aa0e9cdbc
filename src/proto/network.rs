//! Network tasks: the orders in a PROLOG's answer, and what agents report.

use core::net::Ipv4Addr;

use super::xml::{Element, Node};

mod report;

pub use report::{DeviceError, Remark, Report, read};

/// An SNMP credential (`configsecurities`), as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its row.
    pub id: u32,
    /// 1, 2 (for 2c) or 3.
    pub version: String,
    /// For versions 1 and 2c.
    pub community: String,
    /// For version 3.
    pub username: String,
    /// 1 MD5, 2 SHA, 0 none.
    pub authentication: String,
    /// Pass phrase of the authentication.
    pub auth_passphrase: String,
    /// 1 DES, 2 AES, 5 3DES, 0 none.
    pub encryption: String,
    /// Pass phrase of the encryption.
    pub priv_passphrase: String,
}

impl std::fmt::Debug for Credential {
    /// Without secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("id", &self.id)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Credential {
    /// `AUTHENTICATION` of an order. A protocol that is 0 is left out; one that nobody knows is empty, as in the plugin.
    #[must_use]
    pub fn element(&self) -> Element {
        let known = |table: &[(&str, &'static str)], code: &str| {
            table
                .iter()
                .find(|(known, _)| *known == code)
                .map_or("", |(_, word)| word)
        };
        let version = known(&[("1", "1"), ("2", "2c"), ("3", "3")], &self.version);
        let mut element = Element::new("AUTHENTICATION")
            .attribute("ID", self.id.to_string())
            .attribute("VERSION", version);
        if self.version != "3" {
            return element.attribute("COMMUNITY", &self.community);
        }
        element = element.attribute("USERNAME", &self.username);
        if self.authentication != "0" {
            element = element.attribute(
                "AUTHPROTOCOL",
                known(&[("1", "MD5"), ("2", "SHA")], &self.authentication),
            );
        }
        element = element.attribute("AUTHPASSPHRASE", &self.auth_passphrase);
        if self.encryption != "0" {
            element = element.attribute(
                "PRIVPROTOCOL",
                known(
                    &[("1", "DES"), ("2", "AES"), ("5", "3DES")],
                    &self.encryption,
                ),
            );
        }
        element.attribute("PRIVPASSPHRASE", &self.priv_passphrase)
    }
}

/// An address range to discover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Its row.
    pub id: u32,
    /// First address, as stored.
    pub start: String,
    /// Last address, as stored.
    pub end: String,
    /// Entity of what is found.
    pub entity: u32,
}

impl Range {
    /// Whether agent 2.6 can work through it between these addresses: it silently leaves out what is no IPv4 range, and never reports
    /// on the run.
    #[must_use]
    pub fn is_walkable((start, end): &(String, String)) -> bool {
        let address = |text: &str| text.parse::<Ipv4Addr>().ok();
        matches!((address(start), address(end)), (Some(start), Some(end)) if start <= end)
    }

    /// The same as PHP 8 reckons it: a start that is no address is 0.0.0.0, what is beyond the last address begins again at the first, and
    /// an end at 0.0.0.0 leaves the addresses out of the order (none).
    ///
    /// # Errors
    ///
    /// When an offset is no number: there PHP breaks off.
    pub fn part_as_plugin(&self, specificity: &str) -> Result<Option<(String, String)>, NoOffset> {
        let start: u32 = self.start.parse().map_or(0, |at: Ipv4Addr| at.into());
        let mut offsets = specificity.split('-');
        let mut next = || match offsets.next() {
            None => Ok(0),
            Some(offset) => whole_number(offset).ok_or(NoOffset),
        };
        let (first, last) = (next()?, next()?);
        let at = |offset: u32| start.wrapping_add(offset);
        let ends = [at(first), at(last)];
        let text = |end: u32| Ipv4Addr::from(end).to_string();
        Ok((!ends.contains(&0)).then(|| (text(ends[0]), text(ends[1]))))
    }

    /// The part of it from offset a to b that `specificity` (`a-b`) means.
    #[must_use]
    pub fn part(&self, specificity: &str) -> Option<(String, String)> {
        let (first, last) = specificity.split_once('-')?;
        let start = u32::from(self.start.parse::<Ipv4Addr>().ok()?);
        let at = |offset: &str| {
            Some(Ipv4Addr::from(start.checked_add(offset.trim().parse().ok()?)?).to_string())
        };
        Some((at(first)?, at(last)?))
    }
}

/// An offset of a part of a range is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the offset is no number")]
pub struct NoOffset;

/// The number that `text` begins with, modulo 2³², as PHP 8 takes a text for one; none where it takes it for none.
fn whole_number(text: &str) -> Option<u32> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit());
    let digits = &text[..end.unwrap_or(text.len())];
    let value = |sum: u32, digit: u8| {
        sum.wrapping_mul(10)
            .wrapping_add(u32::from(digit.wrapping_sub(b'0')))
    };
    (!digits.is_empty()).then(|| digits.bytes().fold(0, value))
}

/// Threads and time-out of a network task, as text: numbers of the agent or of the general settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Threads.
    pub threads: String,
    /// Seconds.
    pub timeout: String,
}

/// The order to discover `range`, or the part of it between `part`; the run's id comes back as PROCESSNUMBER.
#[must_use]
pub fn discovery(
    run: u64,
    pace: &Pace,
    range: &Range,
    part: Option<&(String, String)>,
    credentials: &[&Credential],
) -> Element {
    let mut rangeip = Element::new("RANGEIP").attribute("ID", range.id.to_string());
    if let Some((start, end)) = part {
        rangeip = rangeip.attribute("IPSTART", start).attribute("IPEND", end);
    }
    rangeip = rangeip.attribute("ENTITY", range.entity.to_string());
    let order = option("NETDISCOVERY")
        .child(param("THREADS_DISCOVERY", pace, run))
        .child(rangeip);
    credentials
        .iter()
        .fold(order, |order, credential| order.child(credential.element()))
}

/// A device to query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device<'a> {
    /// `NETWORKING` or `PRINTER`; the plugin leaves out the kind of others.
    pub kind: Option<&'static str>,
    /// Its row.
    pub id: u32,
    /// Its address.
    pub ip: &'a str,
    /// Row of its credential.
    pub credential: Option<u32>,
}

/// The plugin's order to discover a range that does not exist.
#[must_use]
pub fn discovery_of_nothing(run: u64, pace: &Pace) -> Element {
    let nothing = ["ID", "IPSTART", "IPEND", "ENTITY"]
        .into_iter()
        .fold(Element::new("RANGEIP"), |range, name| {
            range.attribute(name, "")
        });
    option("NETDISCOVERY")
        .child(param("THREADS_DISCOVERY", pace, run))
        .child(nothing)
}

/// The order to query `device`.
#[must_use]
pub fn inventory(
    run: u64,
    pace: &Pace,
    device: Device<'_>,
    credentials: &[&Credential],
) -> Element {
    let credential = device
        .credential
        .map_or_else(String::new, |id| id.to_string());
    let mut element = Element::new("DEVICE");
    if let Some(kind) = device.kind {
        element = element.attribute("TYPE", kind);
    }
    let element = element
        .attribute("ID", device.id.to_string())
        .attribute("IP", device.ip)
        .attribute("AUTHSNMP_ID", &credential);
    let order = option("SNMPQUERY")
        .child(param("THREADS_QUERY", pace, run))
        .child(element);
    credentials
        .iter()
        .fold(order, |order, credential| order.child(credential.element()))
}

/// The order to wake a computer by its network cards.
#[must_use]
pub fn wake(macs: &[String]) -> Element {
    macs.iter().fold(option("WAKEONLAN"), |order, mac| {
        order.child(Element::new("PARAM").attribute("MAC", mac))
    })
}

/// `order` with the id of `run` where it names one.
#[must_use]
pub fn numbered(mut order: Element, run: u64) -> Element {
    for node in &mut order.children {
        let Node::Element(child) = node else {
            continue;
        };
        for (name, value) in &mut child.attributes {
            if name == "PID" {
                *value = run.to_string();
            }
        }
    }
    order
}

fn option(name: &str) -> Element {
    Element::new("OPTION").child(Element::new("NAME").text(name))
}

fn param(threads: &str, pace: &Pace, run: u64) -> Element {
    Element::new("PARAM")
        .attribute(threads, &pace.threads)
        .attribute("TIMEOUT", &pace.timeout)
        .attribute("PID", run.to_string())
}

#[cfg(test)]
mod tests;
