//! Who may see and change which tasks: rights of profiles, each in an entity of GLPI's tree.
//!
//! GLPI gives an account profiles in entities; the right is the number that a profile has for `plugin_fusioninventory_task`, a sum of
//! [`READ`], [`UPDATE`], [`CREATE`], [`PURGE`] and others that do not matter here.

use chrono::NaiveDateTime;

use super::entities::Entities;
use super::ids::EntityId;

/// Seeing: GLPI's constant.
pub const READ: u32 = 1;
/// Changing: GLPI's constant.
pub const UPDATE: u32 = 2;

/// Making: GLPI's constant.
pub const CREATE: u32 = 4;
/// Deleting for good: GLPI's constant.
pub const PURGE: u32 = 16;

/// A right in an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The entity.
    pub entity: EntityId,
    /// Also in all entities below.
    pub recursive: bool,
    /// Sum of [`READ`], [`UPDATE`] and others.
    pub rights: u32,
}

impl Place {
    const fn allows(&self, right: u32) -> bool {
        self.rights & right == right
    }

    fn covers(&self, entity: EntityId, tree: &Entities) -> bool {
        entity == self.entity || self.recursive && tree.is_within(entity, self.entity)
    }
}

/// What somebody may see and do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everything: nobody is asked who they are.
    Open,
    /// What these rights allow together.
    Places(Vec<Place>),
}

impl Access {
    /// Whether there may be something to see.
    #[must_use]
    pub fn may_see(&self) -> bool {
        self.has(READ)
    }

    /// Whether there may be something to change.
    #[must_use]
    pub fn may_change(&self) -> bool {
        self.has(READ | UPDATE)
    }

    fn has(&self, right: u32) -> bool {
        match self {
            Self::Open => true,
            Self::Places(places) => places.iter().any(|place| place.allows(right)),
        }
    }

    /// Whether a task of `entity` is seen. The plugin's tasks belong to one entity and are not recursive.
    #[must_use]
    pub fn sees(&self, entity: EntityId, tree: &Entities) -> bool {
        self.allows(READ, entity, tree)
    }

    /// Whether a task of `entity` may be changed.
    #[must_use]
    pub fn changes(&self, entity: EntityId, tree: &Entities) -> bool {
        self.allows(READ | UPDATE, entity, tree)
    }

    /// Whether a task of `entity` may be changed in such a way that it takes these `rights` too.
    #[must_use]
    pub fn may(&self, rights: u32, entity: EntityId, tree: &Entities) -> bool {
        self.allows(READ | UPDATE | rights, entity, tree)
    }

    /// Whether a thing of `entity`, which with `recursive` is there for the entities below too, may be chosen for a task of the entity `task`
    /// that is seen: as GLPI offers what lies in the entities of a profile, and what reaches down to them.
    #[must_use]
    pub fn offers(
        &self,
        (entity, recursive): (EntityId, bool),
        task: EntityId,
        tree: &Entities,
    ) -> bool {
        self.sees(entity, tree) || recursive && tree.is_within(task, entity)
    }

    fn allows(&self, right: u32, entity: EntityId, tree: &Entities) -> bool {
        match self {
            Self::Open => true,
            Self::Places(places) => places
                .iter()
                .any(|place| place.allows(right) && place.covers(entity, tree)),
        }
    }
}

/// What GLPI says of an account beside its password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// `is_active`.
    pub active: bool,
    /// `is_deleted`: in the bin.
    pub deleted: bool,
    /// `begin_date`, local time.
    pub begin: Option<NaiveDateTime>,
    /// `end_date`, local time.
    pub end: Option<NaiveDateTime>,
}

impl Standing {
    /// Whether the account may be used at `now`, local time.
    #[must_use]
    pub fn is_good(&self, now: NaiveDateTime) -> bool {
        self.active
            && !self.deleted
            && self.begin.is_none_or(|begin| begin <= now)
            && self.end.is_none_or(|end| now <= end)
    }
}

/// When a password stops being good, if GLPI lets passwords expire after `days` (`password_expiration_delay`; -1: never), with `grace` more
/// days (`password_expiration_lock_delay`; -1: for ever) in which GLPI lets its owner in to change it. Here it ends with the former.
#[must_use]
pub fn password_expired(changed: Option<NaiveDateTime>, days: i64, now: NaiveDateTime) -> bool {
    let Some(delay) = chrono::TimeDelta::try_days(days).filter(|_| days >= 0) else {
        return false;
    };
    changed
        .and_then(|changed| changed.checked_add_signed(delay))
        .is_some_and(|end| end < now)
}

#[cfg(test)]
mod tests {
    use super::super::entities::tests::tree;
    use super::*;

    fn access(places: &[(u32, bool, u32)]) -> Access {
        let place = |&(entity, recursive, rights)| Place {
            entity: EntityId(entity),
            recursive,
            rights,
        };
        Access::Places(places.iter().map(place).collect())
    }

    /// 0 above 1 and 3, 1 above 2. Rights, the task's entity, seen, changed.
    #[test]
    fn entities_limit_what_is_seen_and_changed() {
        for (places, entity, sees, changes) in [
            (&[][..], 0, false, false),
            (&[(0, true, 1)], 2, true, false),
            (&[(0, true, 3)], 2, true, true),
            (&[(0, false, 3)], 0, true, true),
            (&[(0, false, 3)], 1, false, false),
            (&[(1, true, 3)], 2, true, true),
            (&[(1, true, 3)], 3, false, false),
            (&[(1, true, 3)], 0, false, false),
            // An entity that is not in the tree.
            (&[(0, true, 3)], 9, false, false),
            // Several profiles: each right in its own place.
            (&[(1, true, 1), (3, true, 3)], 2, true, false),
            (&[(1, true, 1), (1, true, 3)], 2, true, true),
            // Other rights, and UPDATE without READ, which GLPI's screens do not make.
            (&[(0, true, 4 + 8 + 16)], 0, false, false),
            (&[(0, true, 2)], 0, false, false),
            (&[(0, true, 127)], 0, true, true),
        ] {
            let (access, tree) = (access(places), tree());
            let entity = EntityId(entity);
            assert_eq!(
                (access.sees(entity, &tree), access.changes(entity, &tree)),
                (sees, changes),
                "{places:?} {entity}"
            );
        }
        assert!(Access::Open.sees(EntityId(9), &tree()) && Access::Open.may_change());
        assert!(!access(&[(0, true, 2)]).may_see() && !access(&[(0, true, 1)]).may_change());
    }

    /// 0 above 1 and 3, 1 above 2; the task is in 2.
    #[test]
    fn what_reaches_down_to_the_task_may_be_chosen() {
        for (rights, item, offers) in [
            ((1, true), (2, false), true),
            ((1, true), (1, false), true),
            ((2, false), (1, false), false),
            ((2, false), (1, true), true),
            ((2, false), (0, true), true),
            ((2, false), (3, true), false),
            ((2, false), (0, false), false),
        ] {
            let access = access(&[(rights.0, rights.1, 3)]);
            let item = (EntityId(item.0), item.1);
            assert_eq!(
                access.offers(item, EntityId(2), &tree()),
                offers,
                "{rights:?} {item:?}"
            );
        }
    }

    #[test]
    fn an_account_is_good_while_glpi_says_so() {
        let at = |text: &str| text.parse::<NaiveDateTime>().unwrap();
        let now = at("2026-03-04T12:00:00");
        let good = Standing {
            active: true,
            deleted: false,
            begin: None,
            end: None,
        };
        for (standing, is_good) in [
            (good, true),
            (
                Standing {
                    active: false,
                    ..good
                },
                false,
            ),
            (
                Standing {
                    deleted: true,
                    ..good
                },
                false,
            ),
            (
                Standing {
                    begin: Some(now),
                    ..good
                },
                true,
            ),
            (
                Standing {
                    begin: Some(at("2026-03-04T12:00:01")),
                    ..good
                },
                false,
            ),
            (
                Standing {
                    end: Some(now),
                    ..good
                },
                true,
            ),
            (
                Standing {
                    end: Some(at("2026-03-04T11:59:59")),
                    ..good
                },
                false,
            ),
        ] {
            assert_eq!(standing.is_good(now), is_good, "{standing:?}");
        }
    }

    #[test]
    fn passwords_expire_where_glpi_lets_them() {
        let at = |text: &str| text.parse::<NaiveDateTime>().unwrap();
        let now = at("2026-03-04T12:00:00");
        for (changed, days, expired) in [
            (Some("2026-02-01T12:00:00"), -1, false),
            (Some("2026-02-01T12:00:00"), 30, true),
            (Some("2026-02-03T12:00:00"), 30, false),
            (None, 30, false),
            (Some("2026-02-01T12:00:00"), i64::MAX, false),
        ] {
            assert_eq!(
                password_expired(changed.map(at), days, now),
                expired,
                "{changed:?} {days}"
            );
        }
    }
}
