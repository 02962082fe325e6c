#pragma once

/*
 * SIGHUP in both daemons: applies the log level. All other settings need a restart.
 */

#include "base/buf.h"
#include "base/log.h"

/* Reads the configuration again. Returns 0, or a negative errno with the problems as text. */
typedef int (*reload_read_fn)(void *owner, enum log_level *ret_level, struct buf *errors);

/* Reads the configuration and applies its log level. An invalid configuration changes nothing. */
void reload_log_level(reload_read_fn read, void *owner);
