//! What is kept: a message with all that PHP has to be told of it, and what is known of one that waits.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The number of a message in its spool. Numbers grow in the order in which messages were accepted, also over restarts, and are never
/// given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub u64);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MessageId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// A computer's inventory (`INVENTORY`).
    Inventory,
    /// Devices that network discovery found, or its begin or end (`NETDISCOVERY`).
    Discovery,
    /// Devices that network inventory asked, or its begin or end (`SNMPQUERY`).
    NetworkInventory,
    /// Something that another version of this program kept.
    #[serde(other)]
    Other,
}

impl Kind {
    /// Its stable short word, for tables, logs and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Discovery => "discovery",
            Self::NetworkInventory => "network-inventory",
            Self::Other => "other",
        }
    }
}

/// Where a message came from, and as what, so that PHP is told the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The agent's address.
    pub client: IpAddr,
    /// It came over HTTPS.
    pub https: bool,
    /// What stood in `Host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What stood in `Content-Type`: it names the coding of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// What stood in `User-Agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Other headers that PHP has to see, names in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// What stood behind the prefix in the address, with its first slash; empty for the directory itself.
    pub path: String,
    /// What stood behind the question mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// A message of an agent, as it is kept until PHP has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// What it is about.
    pub kind: Kind,
    /// The `DEVICEID` of the agent that sent it: the order of messages is kept for each.
    pub device: String,
    /// The run that it is about (`PROCESSNUMBER`).
    pub run: Option<i64>,
    /// It says all that there is to say of the device: an older full one of the same device says nothing beyond it.
    pub full: bool,
    /// Where it came from.
    pub origin: Origin,
    /// Its body, byte for byte as it was received.
    pub body: Bytes,
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum State {
    /// It waits for being delivered.
    Waiting,
    /// It is kept and not delivered, until somebody says what becomes of it.
    Parked {
        /// Why, for people.
        reason: String,
        /// Since when.
        at: DateTime<Utc>,
    },
}

/// What is known of a kept message without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number.
    pub id: MessageId,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// What it is about.
    pub kind: Kind,
    /// The `DEVICEID` of the agent that sent it.
    pub device: String,
    /// The run that it is about.
    pub run: Option<i64>,
    /// See [`Message::full`].
    pub full: bool,
    /// Size of the body, bytes.
    pub size: u64,
    /// How often its delivery failed.
    pub attempts: u32,
    /// When it may be tried again, after a failure.
    pub not_before: Option<DateTime<Utc>>,
    /// When somebody let it be tried again after it had been parked; its age counts from there.
    pub retried_at: Option<DateTime<Utc>>,
    /// Where it stands.
    #[serde(flatten)]
    pub state: State,
}

impl Entry {
    /// Whether it waits for being delivered.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// From when its age counts.
    #[must_use]
    pub fn since(&self) -> DateTime<Utc> {
        self.retried_at.unwrap_or(self.received_at)
    }
}

/// What stands before the body of a message in its record: the entry as it was when the record was written, and the origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    #[serde(flatten)]
    pub(super) entry: Entry,
    pub(super) origin: Origin,
}

impl Meta {
    pub(super) fn new(id: MessageId, message: Message) -> (Self, Bytes) {
        let entry = Entry {
            id,
            received_at: message.received_at,
            kind: message.kind,
            device: message.device,
            run: message.run,
            full: message.full,
            size: message.body.len() as u64,
            attempts: 0,
            not_before: None,
            retried_at: None,
            state: State::Waiting,
        };
        let meta = Self {
            entry,
            origin: message.origin,
        };
        (meta, message.body)
    }

    pub(super) fn into_message(self, body: Bytes) -> Message {
        Message {
            received_at: self.entry.received_at,
            kind: self.entry.kind,
            device: self.entry.device,
            run: self.entry.run,
            full: self.entry.full,
            origin: self.origin,
            body,
        }
    }
}

/// A move of a message, as the file of moves beside its segment holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "move")]
pub(super) enum Move {
    /// PHP has it.
    Done { id: MessageId },
    /// A newer one says all that it says. By itself: this copy of it was not written whole, and the original counts.
    Superseded { id: MessageId, by: MessageId },
    /// Somebody wanted it gone.
    Dropped { id: MessageId },
    /// It is not delivered any more.
    Parked {
        id: MessageId,
        reason: String,
        at: DateTime<Utc>,
    },
    /// A delivery failed.
    Failed {
        id: MessageId,
        attempts: u32,
        not_before: Option<DateTime<Utc>>,
    },
    /// It is to be tried again, as if it had come now.
    Retried { id: MessageId, at: DateTime<Utc> },
    /// What stands in the segment from this byte on was never acknowledged.
    Abandoned { from: u64 },
}

impl Move {
    /// The message, unless it is about a segment.
    pub(super) const fn id(&self) -> Option<MessageId> {
        match self {
            Self::Done { id }
            | Self::Superseded { id, .. }
            | Self::Dropped { id }
            | Self::Parked { id, .. }
            | Self::Failed { id, .. }
            | Self::Retried { id, .. } => Some(*id),
            Self::Abandoned { .. } => None,
        }
    }

    /// Whether it says that a copy is none.
    pub(super) fn voids(&self) -> bool {
        matches!(self, Self::Superseded { id, by } if id == by)
    }

    /// What it makes of `entry`; nothing where the message is gone afterwards.
    pub(super) fn applied(&self, entry: &Entry) -> Option<Entry> {
        let mut entry = entry.clone();
        match self {
            Self::Done { .. } | Self::Superseded { .. } | Self::Dropped { .. } => return None,
            Self::Parked { reason, at, .. } => {
                entry.state = State::Parked {
                    reason: reason.clone(),
                    at: *at,
                };
            }
            Self::Failed {
                attempts,
                not_before,
                ..
            } => {
                entry.attempts = *attempts;
                entry.not_before = *not_before;
            }
            Self::Retried { at, .. } => {
                entry.state = State::Waiting;
                entry.attempts = 0;
                entry.not_before = None;
                entry.retried_at = Some(*at);
            }
            Self::Abandoned { .. } => {}
        }
        Some(entry)
    }
}
