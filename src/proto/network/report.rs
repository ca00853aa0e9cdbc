//! What agents report of network tasks.

use std::collections::HashSet;

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::proto::xml;

/// What a NETDISCOVERY or SNMPQUERY message says of its run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// `AGENT/START`: the task begins.
    pub start: bool,
    /// `AGENT/END`: it has ended.
    pub end: bool,
    /// `AGENT/EXIT`: it was broken off.
    pub exit: bool,
    /// `AGENT/NBIP`: addresses that will be tried.
    pub addresses: Option<u32>,
    /// How many `DEVICE` it has.
    pub devices: u32,
    /// `DEVICE/ERROR`, in order.
    pub errors: Vec<DeviceError>,
    /// What the plugin logs of an inventory's content, in its order: all devices where the first one stands.
    pub remarks: Vec<Remark>,
}

/// A device that could not be queried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceError {
    /// Its row.
    pub id: String,
    /// `NETWORKING`, `STORAGE` or `PRINTER`.
    pub kind: String,
    /// What went wrong.
    pub message: String,
}

/// Something in an inventory that the plugin logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// The error of this place in [`Report::errors`].
    Error(usize),
    /// A device that was queried and has neither a name nor a serial number nor a description, or is of no known kind.
    Silent {
        /// Its GLPI class; empty for a kind that is not known.
        class: &'static str,
        /// Its row.
        id: String,
    },
    /// An element that the plugin does not know, in upper case.
    Unattended(String),
}

impl Report {
    /// Whether it has devices to import: not only errors of such.
    #[must_use]
    pub fn has_devices(&self) -> bool {
        self.devices as usize > self.errors.len()
    }
}

impl DeviceError {
    /// The device's GLPI class.
    #[must_use]
    pub fn itemtype(&self) -> &'static str {
        class(&self.kind)
    }
}

/// The GLPI class of a kind of device; empty for one that is not known.
fn class(kind: &str) -> &'static str {
    match kind {
        "NETWORKING" | "STORAGE" => "NetworkEquipment",
        "PRINTER" => "Printer",
        _ => "",
    }
}

/// Elements of an inventory's content that are not remarked on: known to the plugin, or taken away before it looks.
const KNOWN: [&str; 6] = [
    "AGENT",
    "PROCESSNUMBER",
    "MODULEVERSION",
    "ENVS",
    "PROCESSES",
    "PORTS",
];

/// Most kinds of unknown elements that are remarked on: a message may have as many as it has elements.
const MOST_UNKNOWN: usize = 100;

/// Reads the report out of a message that is known to be well-formed; what is no report says nothing.
#[must_use]
pub fn read(text: &str) -> Report {
    let mut reader = Reader::from_str(text);
    let mut reading = Reading::default();
    let mut path: Vec<String> = Vec::new();
    let mut said = String::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                path.push(start.local_name().as_ref().to_ascii_uppercase());
                said.clear();
                reading.opened(&below(&path));
            }
            Ok(Event::Empty(start)) => {
                path.push(start.local_name().as_ref().to_ascii_uppercase());
                reading.opened(&below(&path));
                reading.closed(&below(&path), "");
                path.pop();
            }
            Ok(Event::Text(text)) => said.push_str(&text.xml10_content()),
            Ok(Event::CData(text)) => said.push_str(&text.xml10_content()),
            Ok(Event::GeneralRef(reference)) => said.extend(xml::resolve(&reference)),
            Ok(Event::End(_)) => {
                reading.closed(&below(&path), said.trim());
                path.pop();
                said.clear();
            }
            Ok(Event::Eof) | Err(_) => return reading.report,
            Ok(_) => {}
        }
    }
}

/// The names below the root.
fn below(path: &[String]) -> Vec<&str> {
    path.iter().skip(1).map(String::as_str).collect()
}

/// A report that is being read.
#[derive(Default)]
struct Reading {
    report: Report,
    device: DeviceSaid,
    /// Place of the next device's remark, once there was a device.
    place: Option<usize>,
    /// Names of the unknown elements that are remarked on.
    unknown: HashSet<String>,
}

/// What a device says of itself.
#[derive(Default)]
struct DeviceSaid {
    /// It has elements; without one PHP fails over it.
    speaks: bool,
    failed: bool,
    kind: String,
    id: String,
    /// It has a name, a serial number or a description.
    known: bool,
}

impl Reading {
    fn opened(&mut self, path: &[&str]) {
        let report = &mut self.report;
        match path {
            ["CONTENT", "AGENT", "START"] => report.start = true,
            ["CONTENT", "AGENT", "END"] => report.end = true,
            ["CONTENT", "AGENT", "EXIT"] => report.exit = true,
            ["CONTENT", "DEVICE"] => {
                report.devices = report.devices.saturating_add(1);
                self.device = DeviceSaid::default();
                self.place.get_or_insert(report.remarks.len());
            }
            ["CONTENT", "DEVICE", field] => {
                self.device.speaks = true;
                if *field == "ERROR" {
                    self.device.failed = true;
                    report.errors.push(DeviceError::default());
                    self.remark(Remark::Error(self.report.errors.len() - 1));
                }
            }
            ["CONTENT", name]
                if !KNOWN.contains(name)
                    && self.unknown.len() < MOST_UNKNOWN
                    && self.unknown.insert((*name).to_owned()) =>
            {
                report.remarks.push(Remark::Unattended((*name).to_owned()));
            }
            _ => {}
        }
    }

    fn closed(&mut self, path: &[&str], said: &str) {
        match path {
            ["CONTENT", "AGENT", "NBIP"] => self.report.addresses = said.parse().ok(),
            ["CONTENT", "DEVICE", "ERROR", field] => {
                if let Some(error) = self.report.errors.last_mut() {
                    match *field {
                        "ID" => said.clone_into(&mut error.id),
                        "TYPE" => said.clone_into(&mut error.kind),
                        "MESSAGE" => said.clone_into(&mut error.message),
                        _ => {}
                    }
                }
            }
            ["CONTENT", "DEVICE", "INFO", field] => match *field {
                "ID" => said.clone_into(&mut self.device.id),
                "TYPE" => said.clone_into(&mut self.device.kind),
                "NAME" | "SERIAL" | "COMMENTS" => self.device.known |= !said.is_empty(),
                _ => {}
            },
            ["CONTENT", "DEVICE"] => {
                let device = std::mem::take(&mut self.device);
                let class = class(&device.kind);
                if device.speaks && !device.failed && (class.is_empty() || !device.known) {
                    self.remark(Remark::Silent {
                        class,
                        id: device.id,
                    });
                }
            }
            _ => {}
        }
    }

    /// Remarks on a device.
    fn remark(&mut self, remark: Remark) {
        if let Some(place) = &mut self.place {
            self.report.remarks.insert(*place, remark);
            *place += 1;
        }
    }
}
