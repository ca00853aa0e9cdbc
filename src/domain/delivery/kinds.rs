//! The kinds of messages: what the sidecar answers itself, what it keeps for PHP, and what an agent waits for.

/// Who is to be given messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The plugin, at its own address.
    Plugin,
    /// GLPI 10's `front/inventory.php`, which knows no runs.
    Native,
    /// Nobody: there is no upstream.
    Nobody,
}

/// The messages that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// QUERY PROLOG, or one that nobody knows.
    Hello,
    /// QUERY INVENTORY.
    Inventory,
    /// A message about a run of a network task that has devices.
    Devices,
    /// One without: start, end, number of addresses.
    Bounds,
    /// No message of an agent: a page, a file, an upload.
    Page,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It is answered here.
    Here,
    /// It is kept, answered as PHP does, and handed to PHP later.
    Spool,
    /// It is kept, and its run is moved and logged here.
    SpoolAndHere,
    /// It is passed on while its sender waits for PHP's answer.
    Forward,
    /// The same, and its run is moved and logged here.
    ForwardAndHere,
    /// There is nobody who could take it.
    Refuse,
}

/// A row of the table.
pub type Row = (Kind, Target, Way, &'static str);

/// Which message goes which way, where there is a spool, and why.
pub const TABLE: [Row; 15] = {
    use Kind::{Bounds, Devices, Hello, Inventory, Page};
    use Target::{Native, Nobody, Plugin};
    [
        (Hello, Plugin, Way::Here, ORDERS),
        (Hello, Native, Way::Here, ORDERS),
        (Hello, Nobody, Way::Here, ORDERS),
        (Inventory, Plugin, Way::Spool, IMPORT),
        (Inventory, Native, Way::Spool, IMPORT),
        (Inventory, Nobody, Way::Spool, COLLECTS),
        (Devices, Plugin, Way::Spool, IMPORT),
        (Devices, Native, Way::SpoolAndHere, NO_RUNS),
        (Devices, Nobody, Way::Spool, COLLECTS),
        (Bounds, Plugin, Way::Spool, IN_LINE),
        (Bounds, Native, Way::Here, NO_RUNS),
        (Bounds, Nobody, Way::Spool, COLLECTS),
        (Page, Plugin, Way::Forward, PEOPLE),
        (Page, Native, Way::Forward, PEOPLE),
        (Page, Nobody, Way::Refuse, PEOPLE),
    ]
};

const ORDERS: &str = "the answer holds orders, and runs are handed out here";
const IMPORT: &str =
    "PHP says the same empty REPLY whatever it makes of it, after an import of up to seconds";
const COLLECTS: &str =
    "the spool collects until there is an upstream, whose PHP imports, moves and logs then";
const NO_RUNS: &str = "who takes the devices knows no runs: the run is moved and logged here";
const IN_LINE: &str = "PHP moves and logs the run, and ignores devices of one that has ended: the end stands in line behind them";
const PEOPLE: &str = "who asks waits for the page";

/// The way of a message.
#[must_use]
pub fn way(kind: Kind, target: Target) -> Way {
    TABLE
        .iter()
        .find(|row| row.0 == kind && row.1 == target)
        .map_or(Way::Refuse, |row| row.2)
}

/// The same where there is no spool: what would be kept is passed on at once, and without an upstream a run is moved here.
#[must_use]
pub fn way_without_spool(kind: Kind, target: Target) -> Way {
    match (way(kind, target), kind, target) {
        (Way::Spool, Kind::Inventory, Target::Nobody) => Way::Refuse,
        (Way::Spool, _, Target::Nobody) => Way::Here,
        (Way::Spool, ..) => Way::Forward,
        (Way::SpoolAndHere, ..) => Way::ForwardAndHere,
        (way, ..) => way,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_one_way_and_a_reason() {
        let kinds = [
            Kind::Hello,
            Kind::Inventory,
            Kind::Devices,
            Kind::Bounds,
            Kind::Page,
        ];
        for kind in kinds {
            for target in [Target::Plugin, Target::Native, Target::Nobody] {
                let rows: Vec<&Row> = TABLE
                    .iter()
                    .filter(|row| row.0 == kind && row.1 == target)
                    .collect();
                assert_eq!(rows.len(), 1, "{kind:?} {target:?}");
                assert_eq!(way(kind, target), rows[0].2);
                assert!(!rows[0].3.is_empty());
            }
        }
        assert_eq!(TABLE.len(), kinds.len() * 3);
    }

    #[test]
    fn without_a_spool_nothing_is_kept() {
        for (kind, target, expected) in [
            (Kind::Hello, Target::Plugin, Way::Here),
            (Kind::Inventory, Target::Plugin, Way::Forward),
            (Kind::Inventory, Target::Native, Way::Forward),
            (Kind::Inventory, Target::Nobody, Way::Refuse),
            (Kind::Devices, Target::Plugin, Way::Forward),
            (Kind::Devices, Target::Native, Way::ForwardAndHere),
            (Kind::Devices, Target::Nobody, Way::Here),
            (Kind::Bounds, Target::Plugin, Way::Forward),
            (Kind::Bounds, Target::Native, Way::Here),
            (Kind::Bounds, Target::Nobody, Way::Here),
            (Kind::Page, Target::Nobody, Way::Refuse),
        ] {
            assert_eq!(
                way_without_spool(kind, target),
                expected,
                "{kind:?} {target:?}"
            );
        }
    }

    /// Who moves a run gets all of it, or its end would overtake its devices or be logged twice.
    #[test]
    fn a_run_is_moved_on_one_side_alone() {
        for target in [Target::Plugin, Target::Native, Target::Nobody] {
            let (devices, bounds) = (way(Kind::Devices, target), way(Kind::Bounds, target));
            let at_php = target != Target::Native;
            assert_eq!(devices == Way::Spool, at_php);
            assert_eq!(bounds == Way::Spool, at_php);
            assert_eq!(bounds == Way::Here, !at_php);
        }
    }
}
