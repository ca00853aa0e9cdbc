//! Where an agent may fetch file parts from.

use super::catalogue::MirrorMatch;
use super::entities::Entities;
use super::ids::{EntityId, LocationId};

/// A mirror that is switched on (`deploymirrors`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Where it belongs.
    pub entity: EntityId,
    /// Also for the entities below.
    pub recursive: bool,
    /// Where it stands; 0 = nowhere.
    pub location: LocationId,
    /// What agents put in front of a part's name.
    pub url: String,
}

/// Where an agent is.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Entity of the agent: which mirrors it may see.
    pub agent_entity: EntityId,
    /// Entity of its computer: which mirrors fit.
    pub computer_entity: EntityId,
    /// Location of its computer; 0 = unknown.
    pub location: LocationId,
}

/// The mirrors for an agent at `place`, best first; `mirrors` come deepest entity first.
///
/// A mirror that fits by location is listed each time it does; one that fits by entity only if its address is not listed yet.
#[must_use]
pub fn choose(
    mirrors: &[Mirror],
    place: Place,
    by: MirrorMatch,
    entities: &Entities,
) -> Vec<String> {
    let mut chosen: Vec<String> = Vec::new();
    let covers = |mirror: &Mirror, entity| {
        mirror.entity == entity || (mirror.recursive && entities.is_within(entity, mirror.entity))
    };
    for mirror in mirrors
        .iter()
        .filter(|mirror| covers(mirror, place.agent_entity))
    {
        if by != MirrorMatch::Entity && place.location.0 > 0 && place.location == mirror.location {
            chosen.push(mirror.url.clone());
        }
        if by != MirrorMatch::Location
            && covers(mirror, place.computer_entity)
            && !chosen.contains(&mirror.url)
        {
            chosen.push(mirror.url.clone());
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::super::entities::tests::tree;
    use super::*;

    #[test]
    fn by_location_by_entity_and_both() {
        let entities = tree();
        let mirror = |entity, recursive, location, url: &str| Mirror {
            entity: EntityId(entity),
            recursive,
            location: LocationId(location),
            url: url.into(),
        };
        let mirrors = [
            mirror(2, false, 0, "own"),
            mirror(1, true, 5, "north"),
            mirror(1, false, 5, "north only"),
            mirror(3, true, 5, "south"),
            mirror(0, true, 0, "root"),
        ];
        let place = Place {
            agent_entity: EntityId(2),
            computer_entity: EntityId(2),
            location: LocationId(5),
        };
        let nowhere = Place {
            location: LocationId(0),
            ..place
        };
        let elsewhere = Place {
            computer_entity: EntityId(3),
            ..place
        };
        for (place, by, expected) in [
            (place, MirrorMatch::Location, vec!["north"]),
            (nowhere, MirrorMatch::Location, vec![]),
            (place, MirrorMatch::Entity, vec!["own", "north", "root"]),
            (place, MirrorMatch::Both, vec!["own", "north", "root"]),
            (elsewhere, MirrorMatch::Entity, vec!["root"]),
        ] {
            assert_eq!(
                choose(&mirrors, place, by, &entities),
                expected,
                "{place:?} {by:?}"
            );
        }
    }
}
