#pragma once

/*
 * WebSocket endpoints: path -> the least role, what the scope is applied to, limits, and the module
 * that accepts the clients. The table is the only list of endpoints; docs/protocol.md ("WebSocket
 * endpoints") has the same rows, and a unit test compares them.
 *
 * Role and limits of the row are enforced by auth/ws_client.h. ROLE_NONE means that no user but an
 * agent connects, which proves itself with a token; a request of a browser from another site is
 * refused for all of them (api.c). The scope is enforced where the object is known: OBJECT_LIST is
 * filtered by the module, OBJECT_CONTAINER is the one named in the path.
 */

#include "server/api/route.h"
#include "server/auth/ws_client.h"

struct api;

struct ws_endpoint {
    const char *path;
    bool is_prefix; /* the path goes on after it */
    enum route_object object;
    struct ws_rules rules;
    /* Fills *ret and returns 0, or returns the HTTP status of a refusal. */
    int (*open)(struct api *a,
                const struct ws_endpoint *e,
                const struct http_request *r,
                struct ws_accept *ret);
};

extern const struct ws_endpoint ws_endpoints[];
extern const size_t n_ws_endpoints;

const struct ws_endpoint *ws_endpoint_find(const char *path); /* NULL: there is none */
