#pragma once

/* `dockmond import-dockmon [--apply] FILE`, see server/import/import.h. */

#include <stdbool.h>

#define IMPORT_COMMAND_HELP                                                                        \
    "  import-dockmon [--apply] FILE\n"                                                            \
    "      report what can be taken over from a database of DockMon; with --apply, take it over\n" \
    "      (the server must not run)\n"

bool import_command_is(const char *word);
/* Returns the exit status: 0, 1 for a failure, 2 for wrong usage. */
int import_command_run(int argc, char **argv, const char *data_dir);
