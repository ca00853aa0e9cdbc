//! The tables and columns that the sidecar's statements read or write.

/// A table and its columns, separated by spaces; placeholders as in every SQL text here.
pub(super) type Need = (&'static str, &'static str);

/// GLPI's and the plugin's.
pub(super) const SHARED: [Need; 44] = [
    ("glpi_configs", "context name value"),
    ("glpi_plugins", "directory version state"),
    ("glpi_crontasks", "id itemtype name state date_mod"),
    ("glpi_entities", "id name completename entities_id level"),
    (
        "glpi_computers",
        "id name serial otherserial entities_id locations_id users_id groups_id is_deleted is_template",
    ),
    ("glpi_groups", "id"),
    ("glpi_groups_users", "users_id groups_id"),
    ("{p}agentmodules", "modulename is_active exceptions"),
    (
        "{p}agents",
        "id entities_id name last_contact version lock device_id computers_id token useragent agent_port \
         threads_networkdiscovery timeout_networkdiscovery threads_networkinventory timeout_networkinventory",
    ),
    ("{p}configs", "type value"),
    ("{p}entities", "id entities_id agent_base_url"),
    (
        "{p}tasks",
        "id entities_id name comment is_active datetime_start datetime_end {f}timeslots_prep_id {f}timeslots_exec_id \
         reprepare_if_successful last_agent_wakeup wakeup_agent_counter wakeup_agent_time is_deploy_on_demand",
    ),
    (
        "{p}taskjobs",
        "id {f}tasks_id name method comment targets actors",
    ),
    (
        "{p}taskjobstates",
        "id {f}taskjobs_id items_id itemtype state {f}agents_id specificity uniqid date_start nb_retry max_retry",
    ),
    (
        "{p}taskjoblogs",
        "id {f}taskjobstates_id date items_id itemtype state comment",
    ),
    ("{p}timeslotentries", "{f}timeslots_id day begin end"),
    ("{p}deploypackages", "id name json"),
    ("{p}deploygroups", "id name type"),
    (
        "{p}deploygroups_staticdatas",
        "{f}deploygroups_id itemtype items_id",
    ),
    (
        "{p}deploygroups_dynamicdatas",
        "{f}deploygroups_id fields_array computers_id_cache",
    ),
    (
        "{p}deploymirrors",
        "id entities_id is_active is_recursive url locations_id",
    ),
    ("{p}deployuserinteractiontemplates", "id json"),
    ("{p}collects", "id name type"),
    ("{p}collects_registries", "id {f}collects_id hive path key"),
    (
        "{p}collects_registries_contents",
        "id computers_id {f}collects_registries_id key value",
    ),
    (
        "{p}collects_wmis",
        "id {f}collects_id moniker class properties",
    ),
    (
        "{p}collects_wmis_contents",
        "id computers_id {f}collects_wmis_id property value",
    ),
    (
        "{p}collects_files",
        "id {f}collects_id dir limit is_recursive filter_regex filter_sizeequals filter_sizegreater filter_sizelower \
         filter_checksumsha512 filter_checksumsha2 filter_name filter_iname filter_is_file filter_is_dir",
    ),
    (
        "{p}collects_files_contents",
        "id computers_id {f}collects_files_id pathfile size",
    ),
    ("{p}credentials", "id username password"),
    ("{p}credentialips", "id {f}credentials_id name ip"),
    (
        "{p}configsecurities",
        "id snmpversion community username authentication auth_passphrase encryption priv_passphrase",
    ),
    ("{p}ipranges", "id name entities_id ip_start ip_end"),
    (
        "{p}ipranges_configsecurities",
        "id {f}ipranges_id {f}configsecurities_id rank",
    ),
    (
        "{p}networkequipments",
        "id networkequipments_id {f}configsecurities_id last_fusioninventory_update",
    ),
    (
        "{p}printers",
        "id printers_id {f}configsecurities_id last_fusioninventory_update",
    ),
    (
        "{p}statediscoveries",
        "id {f}taskjob_id {f}agents_id start_time end_time date_mod nb_ip nb_found",
    ),
    (
        "glpi_networkports",
        "id items_id itemtype instantiation_type mac is_deleted",
    ),
    ("glpi_networknames", "id items_id itemtype is_deleted"),
    (
        "glpi_ipaddresses",
        "id items_id itemtype name is_deleted mainitemtype mainitems_id",
    ),
    ("glpi_domains", "id name"),
    (
        "glpi_domains_items",
        "id domains_id items_id itemtype is_deleted",
    ),
    (
        "glpi_networkequipments",
        "id entities_id is_deleted is_template",
    ),
    ("glpi_printers", "id entities_id is_deleted is_template"),
];

/// GLPI's, read only where the criteria of a dynamic group ask about them: `serve` works without. Columns of tables that are needed anyway
/// are not repeated.
pub(super) const SEARCHED: [Need; 15] = [
    (
        "glpi_locations",
        "id locations_id completename building room comment address postcode town state country",
    ),
    ("glpi_states", "id states_id completename"),
    ("glpi_computertypes", "id name"),
    ("glpi_computermodels", "id name"),
    ("glpi_manufacturers", "id name"),
    ("glpi_networks", "id name"),
    ("glpi_autoupdatesystems", "id name"),
    ("glpi_users", "id name realname firstname"),
    (
        "glpi_items_operatingsystems",
        "items_id itemtype operatingsystems_id operatingsystemversions_id operatingsystemservicepacks_id license_number licenseid",
    ),
    ("glpi_operatingsystems", "id name"),
    ("glpi_operatingsystemversions", "id name"),
    ("glpi_operatingsystemservicepacks", "id name"),
    (
        "glpi_items_softwareversions",
        "items_id itemtype softwareversions_id is_deleted",
    ),
    ("glpi_softwareversions", "id name softwares_id"),
    ("glpi_softwares", "id name"),
];

/// What the pages for people need besides: who may sign in, what their profiles allow, who is signed in,
/// what timeslots are called, and the history of tasks.
pub(super) const WEB: [Need; 7] = [
    (
        "glpi_users",
        "id name password password_last_update realname firstname language authtype auths_id is_active is_deleted begin_date end_date",
    ),
    ("glpi_profiles", "id interface"),
    (
        "glpi_profiles_users",
        "users_id profiles_id entities_id is_recursive",
    ),
    ("glpi_profilerights", "profiles_id name rights"),
    ("{p}sidecar_sessions", "id users_id began_at seen_at"),
    ("{p}timeslots", "id name"),
    (
        "glpi_logs",
        "id itemtype items_id itemtype_link linked_action user_name date_mod id_search_option old_value new_value",
    ),
];

/// Columns that the pages need besides, of tables that are needed anyway: what jobs are made of, and what they can name.
pub(super) const CHOSEN: [Need; 11] = [
    (
        "{p}taskjobs",
        "entities_id comment date_creation statuscomments enduser",
    ),
    ("{p}deploypackages", "entities_id is_recursive"),
    ("{p}collects", "entities_id is_recursive"),
    ("{p}agents", "is_recursive"),
    ("{p}credentials", "itemtype"),
    ("{p}credentialips", "entities_id"),
    ("{p}ipranges", "entities_id"),
    ("glpi_groups", "name entities_id is_recursive"),
    ("glpi_networkequipments", "name is_recursive"),
    ("glpi_printers", "name is_recursive"),
    ("glpi_computers", "is_recursive"),
];

/// The sidecar's own.
pub(super) const OWN: [Need; 18] = [
    ("{p}sidecar_nonces", "id secret made_at"),
    ("{p}sidecar_locks", "name counter"),
    (
        "{p}sidecar_runs",
        "{f}taskjobstates_id {f}agents_id sends sent_at",
    ),
    (
        "{p}sidecar_answers",
        "{f}agents_id sent_at heard_at address",
    ),
    ("{p}sidecar_downloads", "address fetched_at"),
    ("{p}sidecar_jobs", "{f}taskjobs_id timeout"),
    (
        "{p}sidecar_tasks",
        "{f}tasks_id mode max_duration min_period",
    ),
    (
        "{p}sidecar_sequence",
        "{f}taskjobs_id rank delay after_success",
    ),
    (
        "{p}sidecar_occurrences",
        "{f}tasks_id number began_at first_run state why ended_at",
    ),
    (
        "{p}sidecar_agent_occurrences",
        "{f}agents_id {f}tasks_id number began_at first_run",
    ),
    (
        "{p}sidecar_hours",
        "{f}tasks_id weekday hour_start hour_end",
    ),
    (
        "{p}sidecar_spooled",
        "{f}taskjobstates_id spool messages seen_at",
    ),
    ("{p}sidecar_schema", "id version migrated_at"),
    ("{p}sidecar_leases", "name holder host until"),
    (
        "{p}sidecar_heartbeats",
        "instance duty host version seen_at started_at ended_at result runs next_at",
    ),
    (
        "{p}sidecar_crontasks",
        "itemtype name state date_mod taken_at",
    ),
    (
        "{p}sidecar_snapshots",
        "{f}tasks_id version seen_at digest state",
    ),
    (
        "{p}sidecar_changes",
        "id {f}tasks_id since until field {f}taskjobs_id job old_value new_value",
    ),
];
