-- The sidecar's own tables. {p} is the plugin's table prefix and {f} the stem of its foreign keys, as everywhere in the sidecar's SQL.
-- They lie below the plugin's prefix so that its uninstall takes them along. No foreign keys: PHP deletes its rows without asking us.

-- Rows that a transaction updates before anything else, so that two of them that create runs of one job (`job:<id>`), register agents of
-- one bucket (`agent:<0…255>`), or store what was found for one order on one computer (`found:<0…255>`), come one after the other; Galera's
-- certification refuses the second. And a note, `gone:<id>`: cleaning has deleted this job, and while `counter` is 1 its runs are still to go.
CREATE TABLE IF NOT EXISTS `{p}sidecar_locks` (
  `name` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `counter` bigint(20) unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- What the plugin's own row of a run cannot hold: how often it was sent, and when last.
CREATE TABLE IF NOT EXISTS `{p}sidecar_runs` (
  `{f}taskjobstates_id` bigint(20) unsigned NOT NULL,
  `{f}agents_id` int(10) unsigned NOT NULL,
  `sends` int(10) unsigned NOT NULL DEFAULT 0,
  `sent_at` timestamp NULL DEFAULT NULL,
  PRIMARY KEY (`{f}taskjobstates_id`),
  KEY `agents_id` (`{f}agents_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- An answer that handed out runs, which are those that `sidecar_runs` has with this agent and moment: when the agent last spoke of one of
-- them, and the address that it was given to.
CREATE TABLE IF NOT EXISTS `{p}sidecar_answers` (
  `{f}agents_id` int(10) unsigned NOT NULL,
  `sent_at` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  `heard_at` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  `address` varchar(45) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  PRIMARY KEY (`{f}agents_id`, `sent_at`),
  KEY `heard_at` (`heard_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- When a file part was last fetched from an address: agents do not say who they are when they fetch one.
CREATE TABLE IF NOT EXISTS `{p}sidecar_downloads` (
  `address` varchar(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `fetched_at` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (`address`),
  KEY `fetched_at` (`fetched_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- What the plugin's own row of a job cannot hold: after how many seconds of silence a run of it is given up (NULL: as everywhere, 0: never).
CREATE TABLE IF NOT EXISTS `{p}sidecar_jobs` (
  `{f}taskjobs_id` int(10) unsigned NOT NULL,
  `timeout` int(10) unsigned DEFAULT NULL,
  PRIMARY KEY (`{f}taskjobs_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- How a task runs: `mode` is `server` (its runs are prepared), `agent` (they are made when agents ask) or NULL for the default; seconds after
-- which an occurrence ends, and from one to the next. A task with a row here, or a job with one in `sidecar_sequence`, runs in occurrences.
CREATE TABLE IF NOT EXISTS `{p}sidecar_tasks` (
  `{f}tasks_id` int(10) unsigned NOT NULL,
  `mode` varchar(8) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `max_duration` int(10) unsigned DEFAULT NULL,
  `min_period` int(10) unsigned DEFAULT NULL,
  PRIMARY KEY (`{f}tasks_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- The place of a job in its task's occurrences: seconds from their beginning, order among those that start together, and whether it waits
-- for the success of the job before.
CREATE TABLE IF NOT EXISTS `{p}sidecar_sequence` (
  `{f}taskjobs_id` int(10) unsigned NOT NULL,
  `rank` int(10) unsigned NOT NULL DEFAULT 0,
  `delay` int(10) unsigned NOT NULL DEFAULT 0,
  `after_success` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`{f}taskjobs_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- The last occurrence of a task: the how manieth, when it began (Unix time), the lowest id that a run of it can have. State 0: under way, 1: over,
-- what has not started is being cancelled, 2: over.
CREATE TABLE IF NOT EXISTS `{p}sidecar_occurrences` (
  `{f}tasks_id` int(10) unsigned NOT NULL,
  `number` int(10) unsigned NOT NULL,
  `began_at` bigint(20) NOT NULL,
  `first_run` bigint(20) unsigned NOT NULL,
  `state` tinyint(3) unsigned NOT NULL DEFAULT 0,
  `why` varchar(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  `ended_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`{f}tasks_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- The last occurrence of a task that agents drive, for each of them: the how manieth, when it began (Unix time), the lowest id that a run of it
-- can have. Runs alone cannot tell: one begins before its first run where all jobs have a delay.
CREATE TABLE IF NOT EXISTS `{p}sidecar_agent_occurrences` (
  `{f}agents_id` int(10) unsigned NOT NULL,
  `{f}tasks_id` int(10) unsigned NOT NULL,
  `number` int(10) unsigned NOT NULL,
  `began_at` bigint(20) NOT NULL,
  `first_run` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`{f}agents_id`, `{f}tasks_id`),
  KEY `tasks_id` (`{f}tasks_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- The week of one task, instead of its execution slot, which tasks share: the hours of a day (0 = Monday … 6) from hour_start up to, not
-- including, hour_end (24 = midnight).
CREATE TABLE IF NOT EXISTS `{p}sidecar_hours` (
  `{f}tasks_id` int(10) unsigned NOT NULL,
  `weekday` tinyint(3) unsigned NOT NULL,
  `hour_start` tinyint(3) unsigned NOT NULL,
  `hour_end` tinyint(3) unsigned NOT NULL,
  PRIMARY KEY (`{f}tasks_id`, `weekday`, `hour_start`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- Messages about a run that are in a spool on their way to PHP: how many, and when that sidecar was last heard of (the database server's
-- clock, UTC). The end of the run waits for those of other spools.
CREATE TABLE IF NOT EXISTS `{p}sidecar_spooled` (
  `{f}taskjobstates_id` bigint(20) unsigned NOT NULL,
  `spool` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `messages` bigint(20) unsigned NOT NULL DEFAULT 0,
  `seen_at` datetime(6) NOT NULL,
  PRIMARY KEY (`{f}taskjobstates_id`, `spool`),
  KEY `spool` (`spool`),
  KEY `seen_at` (`seen_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- Which version of this file the database has: one row, id 1.
CREATE TABLE IF NOT EXISTS `{p}sidecar_schema` (
  `id` tinyint(4) NOT NULL,
  `version` int(10) unsigned NOT NULL,
  `migrated_at` timestamp NULL DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- Secrets by which `check` recognises a sidecar on this database behind the address that agents are given; each lives for one check.
CREATE TABLE IF NOT EXISTS `{p}sidecar_nonces` (
  `id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `secret` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `made_at` timestamp NULL DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- Whose turn it is: `leader` does the periodic work of all sidecars on this database, and a duty's own row is held while it is done, by
-- the leader or by `once`. Moments of the database server, UTC.
CREATE TABLE IF NOT EXISTS `{p}sidecar_leases` (
  `name` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `holder` varchar(64) NOT NULL DEFAULT '',
  `host` varchar(255) NOT NULL DEFAULT '',
  `until` datetime(6) NOT NULL,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- What each sidecar did last, a row for each duty; `serve` stands for the process itself. Moments of the database server, UTC.
CREATE TABLE IF NOT EXISTS `{p}sidecar_heartbeats` (
  `instance` varchar(64) NOT NULL,
  `duty` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `host` varchar(255) NOT NULL,
  `version` varchar(64) NOT NULL,
  `seen_at` datetime(6) NOT NULL,
  `started_at` datetime(6) NOT NULL,
  `ended_at` datetime(6) DEFAULT NULL,
  `result` varchar(255) NOT NULL DEFAULT '',
  `runs` bigint(20) unsigned NOT NULL DEFAULT 0,
  `next_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`instance`, `duty`),
  KEY `seen_at` (`seen_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- The plugin's cron tasks that `migrate --take-over` switched off: the state to be given back, and GLPI's date_mod of the row then.
CREATE TABLE IF NOT EXISTS `{p}sidecar_crontasks` (
  `itemtype` varchar(100) NOT NULL,
  `name` varchar(150) NOT NULL,
  `state` int(11) NOT NULL,
  `date_mod` timestamp NULL DEFAULT NULL,
  `taken_at` datetime(6) NOT NULL,
  PRIMARY KEY (`itemtype`, `name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- How each task was last seen in GLPI: what is changed there is found by comparing, as the plugin writes no history of tasks. `version` counts
-- how often the row was written, `digest` is that of `state`, empty of a task that is gone. The row of task 0 is locked by whoever writes any
-- other; it says when all tasks were last looked at. Moments are local time, as those of log lines.
CREATE TABLE IF NOT EXISTS `{p}sidecar_snapshots` (
  `{f}tasks_id` int(10) unsigned NOT NULL,
  `version` int(10) unsigned NOT NULL DEFAULT 1,
  `seen_at` timestamp NULL DEFAULT NULL,
  `digest` char(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  `state` mediumtext NOT NULL,
  PRIMARY KEY (`{f}tasks_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- What was found to be changed in GLPI, between two moments, nobody knows by whom: a field of a task, or of a job of it, from what to what.
CREATE TABLE IF NOT EXISTS `{p}sidecar_changes` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `{f}tasks_id` int(10) unsigned NOT NULL,
  `since` timestamp NULL DEFAULT NULL,
  `until` timestamp NULL DEFAULT NULL,
  `field` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `{f}taskjobs_id` int(10) unsigned NOT NULL DEFAULT 0,
  `job` varchar(300) NOT NULL DEFAULT '',
  `old_value` varchar(1000) NOT NULL DEFAULT '',
  `new_value` varchar(1000) NOT NULL DEFAULT '',
  PRIMARY KEY (`id`),
  KEY `tasks_id` (`{f}tasks_id`),
  KEY `until` (`until`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;

-- Who is signed in to the pages, on any sidecar: SHA-256 of the secret that the browser keeps, account, and Unix times of the beginning and of
-- the last page.
CREATE TABLE IF NOT EXISTS `{p}sidecar_sessions` (
  `id` char(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `users_id` int(10) unsigned NOT NULL,
  `began_at` bigint(20) NOT NULL,
  `seen_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `users_id` (`users_id`),
  KEY `seen_at` (`seen_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci ROW_FORMAT=DYNAMIC;
