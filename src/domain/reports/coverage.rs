//! Which devices lie in which IP range, and whether they were inventoried.

use core::net::Ipv4Addr;
use std::collections::{HashMap, HashSet};

use chrono::NaiveDateTime;

use super::build::percent;
use super::{Cell, Chart, Colour, Column, Table, Type, words};
use crate::domain::entities::Entities;
use crate::domain::ids::EntityId;

/// An IP range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpRange {
    /// Its name.
    pub name: String,
    /// Its entity.
    pub entity: EntityId,
    /// First address; none that is none.
    pub first: Option<Ipv4Addr>,
    /// Last address.
    pub last: Option<Ipv4Addr>,
}

/// An address of a device that network inventories can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addressed {
    /// A printer; else a networking device.
    pub printer: bool,
    /// Its row.
    pub id: u32,
    /// Its entity.
    pub entity: EntityId,
    /// The address.
    pub address: Ipv4Addr,
    /// When it was last inventoried.
    pub inventoried: Option<NaiveDateTime>,
}

/// How many devices of each range were inventoried from `from` on and before `until`, or before that, or never. As in a network inventory,
/// a device is in a range by its address, if its entity is the range's or one above it.
#[must_use]
pub fn ranges(
    ranges: &[IpRange],
    devices: &mut [Addressed],
    tree: &Entities,
    (from, until): (NaiveDateTime, NaiveDateTime),
    most: usize,
) -> Table {
    const fn column(name: &'static str, en: &'static str, fr: &'static str, holds: Type) -> Column {
        Column {
            name,
            title: words(en, fr),
            holds,
        }
    }
    const COLUMNS: &[Column] = &[
        column("range", "IP range", "Plage IP", Type::Text),
        column("first", "First address", "Première adresse", Type::Text),
        column("last", "Last address", "Dernière adresse", Type::Text),
        column("devices", "Devices", "Équipements", Type::Count),
        column("inventoried", "Inventoried", "Inventoriés", Type::Count),
        column(
            "otherwise",
            "At another time",
            "À un autre moment",
            Type::Count,
        ),
        column("never", "Never", "Jamais", Type::Count),
        column("coverage", "Coverage", "Couverture", Type::Percent),
    ];
    devices.sort_by_key(|device| device.address);
    let mut above: HashMap<(EntityId, EntityId), bool> = HashMap::new();
    let mut rows = Vec::with_capacity(ranges.len());
    for range in ranges {
        let within = match (range.first, range.last) {
            (Some(first), Some(last)) if first <= last => {
                let begin = devices.partition_point(|device| device.address < first);
                let end = devices.partition_point(|device| device.address <= last);
                &devices[begin..end]
            }
            _ => &[],
        };
        let mut seen: HashSet<(bool, u32)> = HashSet::new();
        let (mut inside, mut otherwise, mut never) = (0, 0, 0);
        for device in within {
            let is_of = *above
                .entry((range.entity, device.entity))
                .or_insert_with(|| tree.is_within(range.entity, device.entity));
            if !is_of || !seen.insert((device.printer, device.id)) {
                continue;
            }
            match device.inventoried {
                None => never += 1,
                Some(at) if from <= at && at < until => inside += 1,
                Some(_) => otherwise += 1,
            }
        }
        let all: u64 = inside + otherwise + never;
        let address = |address: Option<Ipv4Addr>| {
            address.map_or(Cell::None, |address| Cell::Text(address.to_string()))
        };
        rows.push(vec![
            Cell::Text(range.name.clone()),
            address(range.first),
            address(range.last),
            Cell::Count(all),
            Cell::Count(inside),
            Cell::Count(otherwise),
            Cell::Count(never),
            percent(inside, all),
        ]);
    }
    let named = (
        "ranges",
        words("Coverage by IP range", "Couverture par plage IP"),
    );
    Table::of(named, COLUMNS, rows, most).drawn(Chart {
        label: 0,
        series: &[(4, Colour::Good), (5, Colour::Busy), (6, Colour::Bad)],
        upright: false,
    })
}
