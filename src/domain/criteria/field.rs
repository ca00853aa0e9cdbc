//! The fields that are searched, by GLPI 10.0's numbers (`rawSearchOptions` of a computer, and of software for those that a search
//! over linked items names).

/// A field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names of GLPI's own fields")]
pub enum Field {
    Name,
    Id,
    Location,
    Type,
    Serial,
    OtherSerial,
    Contact,
    ContactNumber,
    LastInventory,
    LastBoot,
    Comment,
    Changed,
    Manufacturer,
    Technician,
    State,
    Network,
    Model,
    ServicePack,
    UpdateSource,
    SystemSerial,
    SystemProduct,
    System,
    SystemVersion,
    Uuid,
    TechnicalGroup,
    User,
    Group,
    Entity,
    Building,
    Room,
    LocationComment,
    Address,
    Postcode,
    Town,
    Region,
    Country,
    Created,
    Ip,
    SoftwareName,
    SoftwareVersion,
}

/// What can be asked of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The name of a thing; to equal it means to be the thing of that id.
    Name,
    /// The id of the computer.
    Number,
    /// A text of the computer's.
    Text,
    /// A text of something that is linked to it.
    LinkedText,
    /// A moment.
    Moment,
    /// A row of another table, by name or id.
    Row,
    /// The same, of a table that is a tree.
    Tree,
    /// A user: login, first and last name, or id.
    Person,
}

use Field as F;
use Kind as K;

/// What GLPI knows of a computer.
const COMPUTER: [(u32, F, K); 38] = [
    (1, F::Name, K::Name),
    (2, F::Id, K::Number),
    (3, F::Location, K::Tree),
    (4, F::Type, K::Row),
    (5, F::Serial, K::Text),
    (6, F::OtherSerial, K::Text),
    (7, F::Contact, K::Text),
    (8, F::ContactNumber, K::Text),
    (9, F::LastInventory, K::Moment),
    (10, F::LastBoot, K::Moment),
    (16, F::Comment, K::Text),
    (19, F::Changed, K::Moment),
    (23, F::Manufacturer, K::Row),
    (24, F::Technician, K::Person),
    (31, F::State, K::Tree),
    (32, F::Network, K::Row),
    (40, F::Model, K::Row),
    (41, F::ServicePack, K::Row),
    (42, F::UpdateSource, K::Row),
    (43, F::SystemSerial, K::LinkedText),
    (44, F::SystemProduct, K::LinkedText),
    (45, F::System, K::Row),
    (46, F::SystemVersion, K::Row),
    (47, F::Uuid, K::Text),
    (49, F::TechnicalGroup, K::Tree),
    (70, F::User, K::Person),
    (71, F::Group, K::Tree),
    (80, F::Entity, K::Tree),
    (91, F::Building, K::LinkedText),
    (92, F::Room, K::LinkedText),
    (93, F::LocationComment, K::LinkedText),
    (101, F::Address, K::LinkedText),
    (102, F::Postcode, K::LinkedText),
    (103, F::Town, K::LinkedText),
    (104, F::Region, K::LinkedText),
    (105, F::Country, K::LinkedText),
    (121, F::Created, K::Moment),
    (126, F::Ip, K::LinkedText),
];

/// What it knows of software.
const SOFTWARE: [(u32, F, K); 2] = [
    (1, F::SoftwareName, K::Name),
    (5, F::SoftwareVersion, K::Row),
];

impl Field {
    /// By the number of GLPI's search option of a computer.
    #[must_use]
    pub fn of_computer(number: u32) -> Option<Self> {
        find(&COMPUTER, number)
    }

    /// By the number of GLPI's search option of software.
    #[must_use]
    pub fn of_software(number: u32) -> Option<Self> {
        find(&SOFTWARE, number)
    }

    /// What can be asked of it.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.entry().map_or(Kind::LinkedText, |(_, kind)| kind)
    }

    /// GLPI's number of it.
    #[must_use]
    pub fn number(self) -> u32 {
        self.entry().map_or(0, |(number, _)| number)
    }

    /// Whether it is one of software.
    #[must_use]
    pub fn is_software(self) -> bool {
        SOFTWARE.iter().any(|(_, field, _)| *field == self)
    }

    fn entry(self) -> Option<(u32, Kind)> {
        let mut all = COMPUTER.iter().chain(&SOFTWARE);
        all.find(|(_, field, _)| *field == self)
            .map(|(number, _, kind)| (*number, *kind))
    }
}

fn find(fields: &[(u32, Field, Kind)], number: u32) -> Option<Field> {
    let mut fields = fields.iter();
    fields
        .find(|(own, _, _)| *own == number)
        .map(|(_, field, _)| *field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (number, field, kind) in COMPUTER {
            assert_eq!(Field::of_computer(number), Some(field));
            assert_eq!((field.number(), field.kind()), (number, kind));
            assert!(!field.is_software());
        }
        for (number, field, kind) in SOFTWARE {
            assert_eq!(Field::of_software(number), Some(field));
            assert_eq!((field.number(), field.kind()), (number, kind));
            assert!(field.is_software());
        }
        assert_eq!(
            (Field::of_computer(33), Field::of_software(2)),
            (None, None)
        );
    }
}
