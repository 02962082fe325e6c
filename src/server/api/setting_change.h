#pragma once

/*
 * Changes of the settings of one container: a job of the store reads the rows, merges the change
 * and writes them; then the live model gets the same data. The routes and bulk jobs run it.
 *
 * The change of each kind is an object:
 *
 *   tags           {"ordered", "add", "remove"}: lists of tags; absent ones change nothing
 *   auto_restart   {"enabled"}
 *   desired_state  {"desired_state"}
 *   web_ui_url     {"url"}: null removes it
 */

#include "server/api/api.h"
#include "server/fleet/fleet.h"
#include "server/store/container_settings.h"

#define SETTING_CHANGE_MAX 2 /* rows that change together */

struct setting_change_options {
    struct api *api;
    const struct fleet_host *host;
    const struct fleet_container *container;
    enum container_setting_kind kinds[SETTING_CHANGE_MAX];
    const json_t *changes[SETTING_CHANGE_MAX]; /* copied; NULL: fewer */
    /* Runs once, also before the return when the store is too busy. `err` is NULL after success. */
    void (*done)(void *owner, const struct error *err);
    void *owner;
};

void setting_change_start(const struct setting_change_options *o);

/*
 * Deletes all settings of a container that a user has deleted. They stay while another container of
 * the host has the same subject, as when Compose has created the next one. `done` runs once, also
 * before the return; a failure is logged.
 */
struct setting_removal_options {
    struct api *api;
    const struct fleet_host *host;
    const char *id, *name;
    const json_t *labels; /* may be NULL */
    void (*done)(void *owner);
    void *owner;
};

void setting_removal_start(const struct setting_removal_options *o);

/* "should_run", "on_demand" or "unspecified" */
bool setting_is_desired_state(const char *text);
