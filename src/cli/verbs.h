#pragma once

/*
 * Every verb of the program; main.c has the list of them.
 */

#include "cli/args.h"

extern const struct verb verb_login;
extern const struct verb verb_hosts;
extern const struct verb verb_ps;
extern const struct verb verb_logs;
extern const struct verb verb_exec;
extern const struct verb verb_start;
extern const struct verb verb_stop;
extern const struct verb verb_restart;
extern const struct verb verb_kill;
extern const struct verb verb_pause;
extern const struct verb verb_unpause;
extern const struct verb verb_rename;
extern const struct verb verb_rm;
extern const struct verb verb_inspect;
extern const struct verb verb_images;
extern const struct verb verb_rmi;
extern const struct verb verb_image_prune;
extern const struct verb verb_network_ls;
extern const struct verb verb_network_create;
extern const struct verb verb_network_rm;
extern const struct verb verb_network_prune;
extern const struct verb verb_volume_ls;
extern const struct verb verb_volume_create;
extern const struct verb verb_volume_rm;
extern const struct verb verb_volume_prune;
extern const struct verb verb_events;
extern const struct verb verb_token;
extern const struct verb verb_user_ls;
extern const struct verb verb_user_create;
extern const struct verb verb_user_rm;
extern const struct verb verb_user_passwd;
extern const struct verb verb_apikey_ls;
extern const struct verb verb_apikey_create;
extern const struct verb verb_apikey_rm;
extern const struct verb verb_version;
