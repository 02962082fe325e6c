#pragma once

/*
 * When backups are due: "hourly@MM" or "daily@HH:MM" in the time zone of the server. Plain data.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

struct backup_plan {
    bool is_hourly;
    int hour, minute;
};

/* Returns -EINVAL with a message for another text. */
int backup_plan_parse(const char *text, struct backup_plan *ret, struct error *err) _nodiscard_;
/* Returns the first time after now_ms, UTC. */
int64_t backup_plan_next_ms(const struct backup_plan *plan, int64_t now_ms);
/* Returns the last time up to now_ms, UTC. */
int64_t backup_plan_last_ms(const struct backup_plan *plan, int64_t now_ms);
