#pragma once

/*
 * `dockmond backup FILE` and `dockmond restore FILE`: see store/backup.h. What was done goes to stderr,
 * with progress when the database is large. Both leave an audit row in the database that is in use then.
 */

#include <stdbool.h>

#define BACKUP_COMMAND_HELP                                                             \
    "  backup FILE\n"                                                                   \
    "      write a verified copy of the database to FILE, also while the server runs\n" \
    "  restore FILE\n"                                                                  \
    "      put the copy in the place of the database, while no server runs\n"

bool backup_command_is(const char *word); /* "backup", "restore" */

/* As admin_run(). */
int backup_command_run(int argc, char **argv, const char *data_dir);
