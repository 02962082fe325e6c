#pragma once

/*
 * `dockmond backup FILE` and `dockmond restore FILE`: see store/backup.h. The outcome is printed on
 * stderr, with the progress of large databases. Both commands add an audit row to the database that
 * is in use afterwards.
 */

#include <stdbool.h>

#define BACKUP_COMMAND_HELP                                                             \
    "  backup FILE\n"                                                                   \
    "      write a verified copy of the database to FILE, also while the server runs\n" \
    "  restore FILE\n"                                                                  \
    "      replace the database with the copy in FILE; the server must be stopped\n"

bool backup_command_is(const char *word); /* true for "backup" and "restore" */

/* Returns the exit status, as admin_run() does. */
int backup_command_run(int argc, char **argv, const char *data_dir);
