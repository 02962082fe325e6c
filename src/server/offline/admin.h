#pragma once

/*
 * Offline administration of a data directory, also while the server runs on it:
 *
 *     dockmond token create [--multi-use]
 *     dockmond apikey create --name N --role viewer|operator|admin
 *     dockmond user reset-password NAME
 *     dockmond user set-role --role ROLE NAME
 *     dockmond backup FILE, dockmond restore FILE (backup_command.h)
 *
 * The first three print only the secret on stdout; errors go to stderr.
 */

#include <stdbool.h>

bool admin_is_command(const char *word); /* true for "token", "backup", ... */
const char *admin_help(void);            /* the lines of --help */

/* Runs the command argv[0]. `--data-dir DIR` among its flags takes precedence over `data_dir`.
 * Returns the exit status: 0, 1 for a failure, 2 for wrong usage. */
int admin_run(int argc, char **argv, const char *data_dir);
