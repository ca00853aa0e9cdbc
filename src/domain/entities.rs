//! GLPI's tree of entities, and the address that each hands out to its agents.

use std::collections::HashMap;

use super::ids::EntityId;
use super::policy::Policy;

/// The tree, with the plugin's `agent_base_url` by entity.
#[derive(Debug, Clone, Default)]
pub struct Entities {
    rows: HashMap<EntityId, Entity>,
    base_urls: HashMap<EntityId, String>,
    default_base_url: Option<String>,
}

/// A row of `glpi_entities`.
#[derive(Debug, Clone, Copy)]
pub struct Entity {
    /// The entity above; none for the root.
    pub parent: Option<EntityId>,
    /// Depth, 1 for the root.
    pub level: u32,
}

/// More levels than any tree has: a cycle in the rows must not hang a request.
const MAX_DEPTH: usize = 64;

impl Entities {
    /// Takes a row of the tree.
    pub fn insert(&mut self, id: EntityId, entity: Entity) {
        self.rows.insert(id, entity);
    }

    /// Takes a row of the plugin's `entities`: row 1 is what holds where nothing nearer does. Empty addresses say nothing.
    pub fn insert_base_url(&mut self, row: u32, entity: EntityId, url: &str) {
        if url.is_empty() {
            return;
        }
        if row == 1 {
            self.default_base_url = Some(url.to_owned());
        }
        self.base_urls
            .entry(entity)
            .or_insert_with(|| url.to_owned());
    }

    /// `entity` itself, then upwards to the root.
    pub fn lineage(&self, entity: EntityId) -> impl Iterator<Item = EntityId> {
        std::iter::successors(Some(entity), |id| {
            self.rows.get(id).and_then(|row| row.parent)
        })
        .take(MAX_DEPTH)
    }

    /// Whether `entity` is `above` or lies below it.
    #[must_use]
    pub fn is_within(&self, entity: EntityId, above: EntityId) -> bool {
        self.lineage(entity).any(|id| id == above)
    }

    /// Depth of `entity`; 0 when it does not exist.
    #[must_use]
    pub fn level(&self, entity: EntityId) -> u32 {
        self.rows.get(&entity).map_or(0, |row| row.level)
    }

    /// The `agent_base_url` of `entity`: its own, else the nearest above, else row 1.
    ///
    /// Some rows say `N/A`, which the plugin once wrote, or `0`. To the plugin that is the address, which it then refuses to hand out;
    /// `redux` passes over it.
    #[must_use]
    pub fn base_url(&self, entity: EntityId, policy: Policy) -> Option<&str> {
        let is_one = |url: &&String| !matches!(url.as_str(), "N/A" | "0");
        let mut urls = self
            .lineage(entity)
            .filter_map(|id| self.base_urls.get(&id))
            .chain(self.default_base_url.as_ref());
        match policy {
            Policy::Plugin => urls.next().filter(is_one),
            Policy::Redux => urls.find(is_one),
        }
        .map(String::as_str)
    }

    /// All entities, by id.
    #[must_use]
    pub fn ids(&self) -> Vec<EntityId> {
        let mut ids: Vec<EntityId> = self.rows.keys().copied().collect();
        ids.sort_unstable();
        ids
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// 0 above 1 and 3, 1 above 2.
    pub(in crate::domain) fn tree() -> Entities {
        let mut entities = Entities::default();
        for (id, parent, level) in [
            (0, None, 1),
            (1, Some(0), 2),
            (2, Some(1), 3),
            (3, Some(0), 2),
        ] {
            entities.insert(
                EntityId(id),
                Entity {
                    parent: parent.map(EntityId),
                    level,
                },
            );
        }
        entities
    }

    #[test]
    fn nearest_address_wins_and_empty_ones_are_passed_over() {
        let mut entities = tree();
        entities.insert_base_url(1, EntityId(0), "http://root");
        entities.insert_base_url(2, EntityId(1), "http://north");
        entities.insert_base_url(3, EntityId(2), "");
        for (entity, url) in [
            (0, "http://root"),
            (1, "http://north"),
            (2, "http://north"),
            (3, "http://root"),
        ] {
            for policy in [Policy::Plugin, Policy::Redux] {
                assert_eq!(entities.base_url(EntityId(entity), policy), Some(url));
            }
        }
    }

    #[test]
    fn row_one_holds_for_entities_that_do_not_exist() {
        let mut entities = tree();
        entities.insert_base_url(1, EntityId(3), "http://one");
        for policy in [Policy::Plugin, Policy::Redux] {
            assert_eq!(entities.base_url(EntityId(77), policy), Some("http://one"));
            assert_eq!(tree().base_url(EntityId(2), policy), None);
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_by_the_plugin_and_passed_over_by_redux() {
        for none in ["N/A", "0"] {
            let mut entities = tree();
            entities.insert_base_url(1, EntityId(0), "http://root");
            entities.insert_base_url(2, EntityId(1), none);
            for (entity, plugin) in [(0, Some("http://root")), (1, None), (2, None)] {
                assert_eq!(entities.base_url(EntityId(entity), Policy::Plugin), plugin);
                let redux = entities.base_url(EntityId(entity), Policy::Redux);
                assert_eq!(redux, Some("http://root"));
            }
            let mut entities = tree();
            entities.insert_base_url(1, EntityId(0), none);
            for policy in [Policy::Plugin, Policy::Redux] {
                assert_eq!(entities.base_url(EntityId(2), policy), None);
            }
        }
    }

    #[test]
    fn a_cycle_ends() {
        let mut entities = Entities::default();
        entities.insert(
            EntityId(1),
            Entity {
                parent: Some(EntityId(2)),
                level: 1,
            },
        );
        entities.insert(
            EntityId(2),
            Entity {
                parent: Some(EntityId(1)),
                level: 1,
            },
        );
        assert!(!entities.is_within(EntityId(1), EntityId(3)));
        assert_eq!(entities.base_url(EntityId(1), Policy::Redux), None);
    }

    #[test]
    fn within() {
        let entities = tree();
        assert!(entities.is_within(EntityId(2), EntityId(1)));
        assert!(entities.is_within(EntityId(2), EntityId(0)));
        assert!(!entities.is_within(EntityId(1), EntityId(2)));
        assert_eq!(
            (entities.level(EntityId(2)), entities.level(EntityId(9))),
            (3, 0)
        );
    }
}
