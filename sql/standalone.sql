-- The rows without which GLPI 10.0 and the FusionInventory plugin 10.0.6+1.1 do not work, for a database made from shared.sql.
-- Unlike after a fresh installation of the plugin, every module is on.

INSERT INTO `glpi_entities` (`id`, `name`, `entities_id`, `completename`, `level`)
VALUES (0, 'Root entity', NULL, 'Root entity', 1);

INSERT INTO `glpi_configs` (`context`, `name`, `value`)
VALUES
  ('core', 'version', '10.0.10'),
  ('core', 'url_base', ''),
  ('core', 'maintenance_mode', '0');

INSERT INTO `glpi_plugins` (`directory`, `name`, `version`, `state`)
VALUES ('fusioninventory', 'FusionInventory', '10.0.6+1.1', 1);

INSERT INTO `{p}entities` (`id`, `entities_id`, `transfers_id_auto`, `agent_base_url`)
VALUES (1, 0, 0, '');

INSERT INTO `{p}agentmodules` (`modulename`, `is_active`, `exceptions`)
VALUES
  ('WAKEONLAN', 1, '[]'),
  ('INVENTORY', 1, '[]'),
  ('InventoryComputerESX', 1, '[]'),
  ('NETWORKINVENTORY', 1, '[]'),
  ('NETWORKDISCOVERY', 1, '[]'),
  ('DEPLOY', 1, '[]'),
  ('Collect', 1, '[]');

INSERT INTO `{p}configs` (`type`, `value`)
VALUES
  ('version', '10.0.6+1.1'),
  ('ssl_only', '0'),
  ('delete_task', '20'),
  ('inventory_frequence', '24'),
  ('agent_port', '62354'),
  ('extradebug', '0'),
  ('users_id', '0'),
  ('wakeup_agent_max', '10'),
  ('threads_networkdiscovery', '20'),
  ('threads_networkinventory', '10'),
  ('timeout_networkdiscovery', '1'),
  ('timeout_networkinventory', '15'),
  ('server_as_mirror', '1'),
  ('mirror_match', '0'),
  ('clean_on_demand_tasks', '-1'),
  ('reprepare_job', '0');
