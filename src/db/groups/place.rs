//! Where GLPI 10.0 keeps what its searches ask about, and how it joins that to computers (`Search::addLeftJoin`).

use crate::domain::criteria::Field;

/// Where a field lies.
pub(super) struct Place {
    /// What leads there from `glpi_computers c`, in order.
    pub(super) joins: &'static [&'static str],
    /// The row, by its short name in the joins.
    pub(super) row: &'static str,
    /// The column.
    pub(super) column: &'static str,
}

const SYSTEM: &str =
    "LEFT JOIN glpi_items_operatingsystems io ON io.items_id = c.id AND io.itemtype = 'Computer'";
const LOCATION: &str = "LEFT JOIN glpi_locations l ON l.id = c.locations_id";
const INSTALLED: &str = "LEFT JOIN glpi_items_softwareversions si ON si.items_id = c.id AND si.itemtype = 'Computer' AND si.is_deleted = 0";
const VERSION: &str = "LEFT JOIN glpi_softwareversions sv ON sv.id = si.softwareversions_id";

/// Where `field` lies.
#[expect(clippy::too_many_lines, reason = "one row for each field")]
pub(super) fn place(field: Field) -> Place {
    let own = |column| Place {
        joins: &[],
        row: "c",
        column,
    };
    let of = |joins, row, column| Place { joins, row, column };
    match field {
        Field::Name => own("name"),
        Field::Id => own("id"),
        Field::Serial => own("serial"),
        Field::OtherSerial => own("otherserial"),
        Field::Contact => own("contact"),
        Field::ContactNumber => own("contact_num"),
        Field::Comment => own("comment"),
        Field::Uuid => own("uuid"),
        Field::LastInventory => own("last_inventory_update"),
        Field::LastBoot => own("last_boot"),
        Field::Changed => own("date_mod"),
        Field::Created => own("date_creation"),
        Field::Location => of(&[LOCATION], "l", "completename"),
        Field::Building => of(&[LOCATION], "l", "building"),
        Field::Room => of(&[LOCATION], "l", "room"),
        Field::LocationComment => of(&[LOCATION], "l", "comment"),
        Field::Address => of(&[LOCATION], "l", "address"),
        Field::Postcode => of(&[LOCATION], "l", "postcode"),
        Field::Town => of(&[LOCATION], "l", "town"),
        Field::Region => of(&[LOCATION], "l", "state"),
        Field::Country => of(&[LOCATION], "l", "country"),
        Field::Type => of(
            &["LEFT JOIN glpi_computertypes t ON t.id = c.computertypes_id"],
            "t",
            "name",
        ),
        Field::Model => of(
            &["LEFT JOIN glpi_computermodels m ON m.id = c.computermodels_id"],
            "m",
            "name",
        ),
        Field::Manufacturer => of(
            &["LEFT JOIN glpi_manufacturers f ON f.id = c.manufacturers_id"],
            "f",
            "name",
        ),
        Field::State => of(
            &["LEFT JOIN glpi_states s ON s.id = c.states_id"],
            "s",
            "completename",
        ),
        Field::Network => of(
            &["LEFT JOIN glpi_networks n ON n.id = c.networks_id"],
            "n",
            "name",
        ),
        Field::UpdateSource => of(
            &["LEFT JOIN glpi_autoupdatesystems a ON a.id = c.autoupdatesystems_id"],
            "a",
            "name",
        ),
        Field::User => of(
            &["LEFT JOIN glpi_users u ON u.id = c.users_id"],
            "u",
            "name",
        ),
        Field::Technician => of(
            &["LEFT JOIN glpi_users ut ON ut.id = c.users_id_tech"],
            "ut",
            "name",
        ),
        Field::Group => of(
            &["LEFT JOIN glpi_groups g ON g.id = c.groups_id"],
            "g",
            "completename",
        ),
        Field::TechnicalGroup => of(
            &["LEFT JOIN glpi_groups gt ON gt.id = c.groups_id_tech"],
            "gt",
            "completename",
        ),
        Field::Entity => of(
            &["LEFT JOIN glpi_entities e ON e.id = c.entities_id"],
            "e",
            "completename",
        ),
        Field::SystemSerial => of(&[SYSTEM], "io", "license_number"),
        Field::SystemProduct => of(&[SYSTEM], "io", "licenseid"),
        Field::System => of(
            &[
                SYSTEM,
                "LEFT JOIN glpi_operatingsystems o ON o.id = io.operatingsystems_id",
            ],
            "o",
            "name",
        ),
        Field::SystemVersion => of(
            &[
                SYSTEM,
                "LEFT JOIN glpi_operatingsystemversions ov ON ov.id = io.operatingsystemversions_id",
            ],
            "ov",
            "name",
        ),
        Field::ServicePack => of(
            &[
                SYSTEM,
                "LEFT JOIN glpi_operatingsystemservicepacks op ON op.id = io.operatingsystemservicepacks_id",
            ],
            "op",
            "name",
        ),
        Field::Ip => of(
            &[
                "LEFT JOIN glpi_ipaddresses i ON i.mainitems_id = c.id AND i.mainitemtype = 'Computer' AND i.is_deleted = 0 \
                 AND NOT i.name = ''",
            ],
            "i",
            "name",
        ),
        Field::SoftwareName => of(
            &[
                INSTALLED,
                VERSION,
                "LEFT JOIN glpi_softwares sw ON sw.id = sv.softwares_id",
            ],
            "sw",
            "name",
        ),
        Field::SoftwareVersion => of(&[INSTALLED, VERSION], "sv", "name"),
    }
}

/// The rows of the tree that `field` is about, each with its parent.
pub(super) fn parents(field: Field) -> &'static str {
    match field {
        Field::Location => "/* parents */ SELECT id, locations_id FROM glpi_locations",
        Field::State => "/* parents */ SELECT id, states_id FROM glpi_states",
        Field::Group | Field::TechnicalGroup => {
            "/* parents */ SELECT id, groups_id FROM glpi_groups"
        }
        // GLPI before 9.5 wrote -1 for the root's parent, which has none.
        _ => "/* parents */ SELECT id, IF(entities_id >= 0, entities_id, NULL) FROM glpi_entities",
    }
}
