/*
 * Names of containers, for tables that have only HOST:ID12: other tables of the file say how the
 * container was called. The first table that does counts, and of the events the newest.
 */

#include "server/import/import.h"

/* The arguments are SQL. */
#define ADD_NAMES(id, name, table, order)                                                      \
    "INSERT OR IGNORE INTO temp.dockmon_names SELECT " id ", ltrim(" name ", '/') FROM " table \
    " WHERE typeof(" name ") = 'text' AND " name " <> ''" order " LIMIT 1000000"
#define FULL_ID                                                 \
    "CASE WHEN instr(container_id, ':') > 0 THEN container_id " \
    "ELSE host_id || ':' || substr(container_id, 1, 12) END"

static const struct foreign_alias sources[] = {
    {"container_desired_states",
     ADD_NAMES(FULL_ID,        "container_name",           "main.container_desired_states", ""),
     {"host_id", "container_id", "container_name"}},
    {"auto_restart_configs",
     ADD_NAMES(FULL_ID,        "container_name",           "main.auto_restart_configs",     ""),
     {"host_id", "container_id", "container_name"}},
    {"container_updates",
     ADD_NAMES("container_id", "container_name",           "main.container_updates",        ""),
     {"container_id", "container_name"}           },
    {"tag_assignments",
     ADD_NAMES("subject_id",   "container_name_at_attach", "main.tag_assignments",          ""),
     {"subject_id", "container_name_at_attach"}   },
    {"event_logs",
     ADD_NAMES(FULL_ID,        "container_name",           "main.event_logs",               " ORDER BY rowid DESC"),
     {"host_id", "container_id", "container_name"}},
};

int import_names(struct import *im, struct error *err)
{
    int r = db_exec(
        im->from,
        "CREATE TEMP TABLE IF NOT EXISTS dockmon_names (id TEXT PRIMARY KEY, name TEXT) "
        "WITHOUT ROWID",
        err);

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(sources); i++) {
        r = foreign_file_run(im->from, &sources[i], err);
        r = r > 0 ? 0 : r;
    }
    return r;
}
