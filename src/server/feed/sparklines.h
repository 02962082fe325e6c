#pragma once

/*
 * Sparklines are the newest 30 points of each series in a full list: {"cpu":[],"mem":[],"net":[]},
 * oldest first, in percent and bytes per second; null is unknown. They have a maximum in bytes,
 * and the series beyond it are left out.
 */

#include "base/buf.h"
#include "server/fleet/fleet.h"
#include "server/rights/scope.h"
#include "server/stats/stats.h"

#define SPARKLINES_POINTS         30
#define SPARKLINES_MAX_HOSTS      ((size_t)1 << 20)
#define SPARKLINES_MAX_CONTAINERS ((size_t)2 << 20)

/* Append the object of all hosts by id, and of all containers by "HOST:ID12", in scope. */
void sparklines_write_hosts(struct buf *out,
                            const struct stats *s,
                            const struct fleet *f,
                            const struct scope *scope);
void sparklines_write_containers(struct buf *out,
                                 const struct stats *s,
                                 const struct fleet *f,
                                 const struct scope *scope);
