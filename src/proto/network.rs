//! Network tasks: the orders in a PROLOG's answer, and what agents report.

use core::net::Ipv4Addr;

use super::xml::Element;

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
    /// `NETWORKING` or `PRINTER`.
    pub kind: &'static str,
    /// Its row.
    pub id: u32,
    /// Its address.
    pub ip: &'a str,
    /// Row of its credential.
    pub credential: Option<u32>,
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
    let element = Element::new("DEVICE")
        .attribute("TYPE", device.kind)
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
