#pragma once

/*
 * A frame is a message to a subscriber: sections of changes, collected one by one and then
 * written as one JSON text. Empty sections are left out. A frame has no limit: the caller checks
 * frame_size(). Storage is the caller's, and must be initialised with frame_init().
 */

#include "base/buf.h"
#include "server/fleet/fleet.h"
#include "server/rights/scope.h"
#include <stdbool.h>

enum frame_section {
    FRAME_HOSTS,
    FRAME_REMOVED_HOSTS, /* ids */
    FRAME_CONTAINERS,
    FRAME_REMOVED, /* {"host_id", "id"} */
    FRAME_HOST_STATS,
    FRAME_STATS,
    FRAME_EVENTS,
    FRAME_PROGRESS,
    FRAME_JOBS,
    FRAME_SECTIONS
};

struct frame {
    struct buf sections[FRAME_SECTIONS];
    struct buf host;                  /* JSON members that all containers of host_of share */
    const struct fleet_host *host_of; /* of the previous container; NULL after frame_clear() */
};

void frame_init(struct frame *f);
void frame_done(struct frame *f);
void frame_clear(struct frame *f);
size_t frame_size(const struct frame *f); /* bytes of all sections; 0: empty */

/* Adds a host as a caller with this scope sees it. */
void frame_add_host(struct frame *f, struct fleet_host *h, const struct scope *scope);
void frame_add_container(struct frame *f,
                         struct fleet_host *h,
                         struct fleet_container *c,
                         bool with_secrets);
void frame_add_removed_host(struct frame *f, const char *host_id);
void frame_add_removed(struct frame *f, const char *host_id, const char *container_id);
/* Add the newest sample, if there is one. */
void frame_add_host_stats(struct frame *f, const struct fleet_host *h);
void frame_add_stats(struct frame *f, const struct fleet_host *h, const struct fleet_container *c);
void frame_add_text(struct frame *f, enum frame_section section, const char *text, size_t size);

/*
 * Writes {"type": type, "timestamp": now, head, sections}; `head` is "" or a comma and JSON
 * members.
 */
void frame_write(const struct frame *f, struct buf *out, const char *type, const char *head);
