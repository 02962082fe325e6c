#pragma once

/*
 * Which containers use what: read from the engine's container list in one pass, so that no image,
 * network or volume has to be inspected by itself. Storage is the caller's.
 */

#include "base/map.h"
#include "docker/json_scan.h"
#include <jansson.h>

enum usage_kind {
    USAGE_IMAGES,   /* by image id, "sha256:..." */
    USAGE_NETWORKS, /* by network id; running containers only, the others hold no endpoint */
    USAGE_VOLUMES,  /* by volume name */
};

struct usage {
    struct map lists; /* key -> json_t array of {"id": 12 hex digits, "name"}, owned */
};

/*
 * `containers` is checked text of /containers/json?all=1; elements that cannot be read are left
 * out.
 */
void usage_init(struct usage *u, enum usage_kind kind, struct json_span containers);
void usage_done(struct usage *u);

/* A new reference to the list; an empty one when nothing uses it. */
json_t *usage_take_list(const struct usage *u, const char *key);
