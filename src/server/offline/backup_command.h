#pragma once

/*
 * `dockmond backup FILE` and `dockmond restore FILE`: see store/backup.h. The outcome is printed on
 * stderr, with the progress of large databases. Both commands add an audit row to the database that
 * is in use afterwards.
 */

#include <stdbool.h>

#define BACKUP_COMMAND_HELP                                                                    \
    "  backup [--no-history] [--no-tls] FILE\n"                                                \
    "      write a verified copy of the database, the server's key and the history to FILE,\n" \
    "      also while the server runs\n"                                                       \
    "  restore FILE\n"                                                                         \
    "      replace database, key and history with those in FILE; the server must be stopped\n"

bool backup_command_is(const char *word); /* true for "backup" and "restore" */

/* Returns the exit status, as admin_run() does. */
int backup_command_run(int argc, char **argv, const char *data_dir);
