#pragma once

/*
 * The settings of a host's containers in the live model: tags, auto-restart, desired state and the
 * link to the web UI, as store/container_settings.h has them. The store is written first; then the
 * same change is applied here. The settings of other kinds are only in the store.
 *
 * A change renews the version of the containers concerned, and drops what the API has encoded of
 * their settings.
 */

#include "server/fleet/fleet.h"
#include "server/store/container_settings.h"

struct host_settings;

void host_settings_free(struct host_settings *s);

/* Sets a row as container_settings_set() does, or deletes it: data is JSON, or NULL. */
void host_settings_set(struct fleet_host *h,
                       const struct container_setting_key *key,
                       const char *data);
/* Returns the data of a container, or NULL. Borrowed until the next change. */
const json_t *host_settings_find(const struct fleet_host *h,
                                 const struct fleet_container *c,
                                 enum container_setting_kind kind);
/* Moves the rows of a renamed container, and notifies listeners. */
void host_settings_rename(struct fleet *f, const char *host_id, const char *from, const char *to);
/* Moves the rows of a host that `to` replaces. Either may be NULL, or no host of the fleet. */
void host_settings_move(struct fleet *f, const char *from_id, struct fleet_host *to);
/* Loads the rows of all hosts of the fleet. */
int host_settings_load(struct db *store, struct fleet *f, struct error *err) _nodiscard_;
