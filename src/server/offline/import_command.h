#pragma once

/* `dockmond import-dockmon [--dry-run] [--encryption-key FILE] FILE`, see server/import/import.h. */

#include <stdbool.h>

#define IMPORT_COMMAND_HELP                                                                         \
    "  import-dockmon [--dry-run] [--encryption-key FILE] FILE\n"                                   \
    "      print what comes from a database of DockMon and what cannot, then take it over in one\n" \
    "      transaction (the server must not run); with --dry-run, only print;\n"                    \
    "      with the key of DockMon (encryption.key), credentials of registries come along\n"

bool import_command_is(const char *word);
/* Returns the exit status: 0, 1 for a failure, 2 for wrong usage. */
int import_command_run(int argc, char **argv, const char *data_dir);
