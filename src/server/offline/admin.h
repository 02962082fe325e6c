#pragma once

/*
 * Offline administration of a data directory, also while the daemon runs on it:
 *
 *     dockmond token create [--multi-use]
 *     dockmond apikey create --name N --role viewer|operator|admin
 *     dockmond user reset-password NAME
 *     dockmond backup FILE, dockmond restore FILE (backup_command.h)
 *
 * The first three print just the secret on stdout; errors go to stderr.
 */

#include <stdbool.h>

bool admin_is_command(const char *word); /* "token", "backup", ... */
const char *admin_help(void);            /* lines for --help, each with its newline */

/* argv[0] is the command word; `--data-dir DIR` may stand among its flags and wins over data_dir.
   Returns the exit status: 0, 1 failed, 2 wrong usage. */
int admin_run(int argc, char **argv, const char *data_dir);
