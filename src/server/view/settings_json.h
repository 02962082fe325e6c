#pragma once

/*
 * The settings of the installation in the shape of DockMon. All but the time zone describe this
 * server and cannot be changed.
 */

#include "server/sqlite/db.h"
#include <jansson.h>
#include <stdbool.h>

#define SETTINGS_TIMEZONE "timezone_offset" /* minutes east of UTC */

json_t *settings_json(bool has_history, int timezone);
/* Reads the stored time zone; it is 0 if there is none. */
int settings_json_read_timezone(struct db *s, int *ret, struct error *err) _nodiscard_;
/* Returns the settings with the stored time zone, or with 0 after a warning. */
json_t *settings_json_read(struct db *s, bool has_history) _nodiscard_;
