#pragma once

/*
 * What the commands about images, networks and volumes take. One struct for all of them: each names one
 * thing, or makes one. References are checked here, so they may enter a request path.
 */

#include "base/error.h"
#include "base/macros.h"
#include <jansson.h>
#include <stdbool.h>

struct resource_args {
    char *ref; /* "image_id", "network_id", "volume_name", or the "name" of what is to be made */
    bool force;
    char *driver;           /* of what is to be made: "" or NULL for the engine's choice */
    char *subnet, *gateway; /* create_network; the same */
    bool internal;
    json_t *labels; /* create_volume: an object of strings, or NULL */
};

/* -ENOMSG: no such command. -EINVAL and others: what is wrong with which field; `ret` is done then. */
int resource_args_decode(const char *command,
                         const json_t *payload,
                         struct resource_args *ret,
                         struct error *err) _nodiscard_;
void resource_args_done(struct resource_args *a);

/* The payload for a command, to be given away. */
json_t *resource_args_encode(const char *command, const struct resource_args *a) _nodiscard_;
