#pragma once

/*
 * The rules of host names, for every way in: a registration, a reconnect and the API. Commands
 * name hosts, so a name must not hide what it is, nor stand for another host or all of them.
 */

#include "base/error.h"

/* -EDOM: the name is empty, has unprintable characters, or is `all` or a UUID. */
int host_name_check(const char *name, struct error *err) _nodiscard_;
