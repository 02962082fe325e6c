#pragma once

/*
 * The options of an update in the body of a request: image, stop_timeout, health_timeout, keep_s,
 * stays_up_s, platform, fingerprint, has_consent and ignore_lock.
 */

#include "base/error.h"
#include "proto/update.h"

/* Reads the options, with the defaults of DockMon's server. -EDOM names the invalid one. */
int update_body_read(const json_t *body, struct update_args *ret, struct error *err) _nodiscard_;
