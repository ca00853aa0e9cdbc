//! The addresses that agents are given. `check` asks the same function, so that it looks where agents will.

use super::{Approach, Backend};
use crate::config::PluginBase;
use crate::domain::entities::Entities;
use crate::domain::ids::EntityId;
use crate::domain::policy::Policy;
use crate::proto::text;

/// What addresses are made of, beside the tables and the request.
#[derive(Debug, Clone, Copy)]
pub struct Addresses<'a> {
    /// Whose rules hold.
    pub policy: Policy,
    /// Address handed out instead of the one in the tables.
    pub public_url: Option<&'a url::Url>,
    /// The directory in which the plugin lies, where GLPI's own directory says so.
    pub plugin_base: Option<PluginBase>,
}

impl Addresses<'_> {
    /// The address of a back end for agents of `entity`; none where there is nothing to make one of.
    ///
    /// `--public-url` with the prefix by which the request came in; else the entity's `agent_base_url` with the directory in which the plugin
    /// lies. Where no entity has one, PHP refuses; `redux` names the address that the agent has just used.
    #[must_use]
    pub fn address(
        &self,
        entities: &Entities,
        approach: &Approach,
        backend: Backend,
        entity: EntityId,
    ) -> Option<String> {
        let directory = backend.directory();
        if let Some(public) = self.public_url {
            let base = public.as_str().trim_end_matches('/');
            return Some(format!("{base}{}/b/{directory}/", approach.prefix));
        }
        let base = match (entities.base_url(entity, self.policy), self.policy) {
            (Some(base), Policy::Plugin) => base.to_owned(),
            (Some(base), Policy::Redux) => text::decode(base).trim_end_matches('/').to_owned(),
            (None, Policy::Redux) => {
                let origin = approach.origin.as_ref()?;
                return Some(format!("{origin}{}/b/{directory}/", approach.prefix));
            }
            (None, Policy::Plugin) => return None,
        };
        let place = match self.plugin_base {
            Some(PluginBase::Marketplace) => "marketplace",
            None if approach.prefix.contains("/marketplace/") => "marketplace",
            Some(PluginBase::Plugins) | None => "plugins",
        };
        Some(format!("{base}/{place}/fusioninventory/b/{directory}/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entities::Entity;

    #[test]
    fn addresses_of_every_origin() {
        let mut entities = Entities::default();
        let root = Entity {
            parent: None,
            level: 1,
        };
        entities.insert(EntityId(0), root);
        let public: url::Url = "https://sidecar.example/base/".parse().unwrap();
        let approach = |prefix: &str, origin: Option<&str>| Approach {
            prefix: prefix.into(),
            origin: origin.map(str::to_owned),
            client: None,
        };
        let own = |policy, plugin_base| Addresses {
            policy,
            public_url: None,
            plugin_base,
        };
        let at = |addresses: &Addresses<'_>, entities: &Entities, approach: &Approach| {
            addresses.address(entities, approach, Backend::Deploy, EntityId(0))
        };
        let here = approach("/glpi/marketplace/fusioninventory", Some("http://used"));
        for policy in [Policy::Plugin, Policy::Redux] {
            let given = Addresses {
                policy,
                public_url: Some(&public),
                plugin_base: Some(PluginBase::Plugins),
            };
            assert_eq!(
                at(&given, &entities, &here).as_deref(),
                Some("https://sidecar.example/base/glpi/marketplace/fusioninventory/b/deploy/")
            );
        }
        assert_eq!(at(&own(Policy::Plugin, None), &entities, &here), None);
        assert_eq!(
            at(&own(Policy::Redux, None), &entities, &here).as_deref(),
            Some("http://used/glpi/marketplace/fusioninventory/b/deploy/")
        );
        assert_eq!(
            at(&own(Policy::Redux, None), &entities, &approach("", None)),
            None
        );

        entities.insert_base_url(1, EntityId(0), "http://glpi/a&#38;b/");
        for (policy, plugin_base, prefix, expected) in [
            (
                Policy::Plugin,
                None,
                "",
                "http://glpi/a&#38;b//plugins/fusioninventory/b/deploy/",
            ),
            (
                Policy::Redux,
                None,
                "",
                "http://glpi/a&b/plugins/fusioninventory/b/deploy/",
            ),
            (
                Policy::Redux,
                None,
                "/marketplace/fusioninventory",
                "http://glpi/a&b/marketplace/fusioninventory/b/deploy/",
            ),
            (
                Policy::Redux,
                Some(PluginBase::Plugins),
                "/marketplace/fusioninventory",
                "http://glpi/a&b/plugins/fusioninventory/b/deploy/",
            ),
            (
                Policy::Redux,
                Some(PluginBase::Marketplace),
                "",
                "http://glpi/a&b/marketplace/fusioninventory/b/deploy/",
            ),
        ] {
            let found = at(
                &own(policy, plugin_base),
                &entities,
                &approach(prefix, None),
            );
            assert_eq!(found.as_deref(), Some(expected));
        }
    }
}
