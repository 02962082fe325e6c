#pragma once

/*
 * Notifies managers (feed, statistics, sampling, followed logs) of changes of the fleet. The
 * module that has changed the model (sessions, the statistics channel) emits them after the
 * change, so that a listener may read the model in its callback.
 *
 * Messages that belong to one connection of an agent are not here, but in session/session.h.
 *
 * All arguments are borrowed for the duration of the call. Callbacks run on the loop, in the
 * order in which listeners were added, and none may depend on another (base/listeners.h).
 */

#include "base/listeners.h"
#include "server/fleet/fleet.h"

struct event;
struct samples;

struct fleet_listener {
    struct listener base;
    /* The host was added, went on- or offline, or has new facts. */
    void (*on_host)(struct fleet_listener *l, const struct fleet_host *h);
    /* It is removed after the call: fleet_drop_host(). */
    void (*on_host_removal)(struct fleet_listener *l, const struct fleet_host *h);
    /* Its containers have changed. */
    void (*on_containers)(struct fleet_listener *l, const struct fleet_host *h);
    /* A batch of samples, with times of our clock; each one is emitted once, in order. Batches with
     * is_late were measured earlier: they are not in the model. */
    void (*on_samples)(struct fleet_listener *l,
                       const struct fleet_host *h,
                       const struct samples *batch);
    /* An event of a host or container was stored; never a duplicate. */
    void (*on_event)(struct fleet_listener *l, const struct event *e);
    /* A step of a long operation: container_update_progress or agent_update_progress. `data` has
     * the host_id, and the container_id of a container's operation; it must not be modified. */
    void (*on_progress)(struct fleet_listener *l, const char *type, json_t *data);
};

void fleet_add_listener(struct fleet *f, struct fleet_listener *l);
void fleet_remove_listener(struct fleet_listener *l); /* harmless if it was not added */

void fleet_notify_host(struct fleet *f, const struct fleet_host *h);
/* Notifies of the removal of a host, if there is one with this id, and removes it. */
void fleet_drop_host(struct fleet *f, const char *host_id);
void fleet_notify_containers(struct fleet *f, const struct fleet_host *h);
void fleet_notify_samples(struct fleet *f, const struct fleet_host *h, const struct samples *batch);
void fleet_notify_event(struct fleet *f, const struct event *e);
void fleet_notify_progress(struct fleet *f, const char *type, json_t *data);
