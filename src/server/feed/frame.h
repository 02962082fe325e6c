#pragma once

/*
 * A message to a client that has subscribed: lists of what is new, collected one by one and then written as one JSON
 * text. Sections without an element are left out. Storage is the caller's; a zeroed struct is not ready, frame_init()
 * makes it so.
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
    struct buf host;                  /* what the containers of host_of have in common */
    const struct fleet_host *host_of; /* of the container before; NULL after frame_clear() */
};

void frame_init(struct frame *f);
void frame_done(struct frame *f);
void frame_clear(struct frame *f);
size_t frame_size(const struct frame *f); /* 0: there is nothing in it */

/* As it is within this scope. */
void frame_add_host(struct frame *f, struct fleet_host *h, const struct scope *scope);
void frame_add_container(struct frame *f,
                         struct fleet_host *h,
                         struct fleet_container *c,
                         bool with_env);
void frame_add_removed_host(struct frame *f, const char *host_id);
void frame_add_removed(struct frame *f, const char *host_id, const char *container_id);
/* The newest sample; nothing when there is none. */
void frame_add_host_stats(struct frame *f, const struct fleet_host *h);
void frame_add_stats(struct frame *f, const struct fleet_host *h, const struct fleet_container *c);
void frame_add_text(struct frame *f, enum frame_section section, const char *text, size_t size);

/* {"type": type, "timestamp": now, ... sections}; `head` stands after the timestamp: "" or members after a comma. */
void frame_write(const struct frame *f, struct buf *out, const char *type, const char *head);
