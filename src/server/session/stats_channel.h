#pragma once

/*
 * The second channel of Go agents: WebSocket /api/stats/ws/ingest, one sample of a container per
 * message, and no replies. The agent authenticates with its permanent token in the upgrade request
 * (any that the main channel would accept); a channel ends when its token becomes invalid. Its
 * samples count for its own host. There is one channel per host: a newer one replaces it.
 * Samples are passed to the live model and to the listeners of the fleet. Lives on the loop.
 */

#include "net/http_server.h"
#include "server/auth/ws_client.h"
#include "server/fleet/fleet.h"
#include "server/session/session.h"

#define STATS_CHANNEL_PATH "/api/stats/ws/ingest"

struct stats_channels;

/* Both outlive them. */
struct stats_channels *stats_channels_new(struct fleet *fleet, struct sessions *sessions);
void stats_channels_stop(struct stats_channels *s); /* closes all channels (1001) */
void stats_channels_free(struct stats_channels *s);

/* Whether the request has no token, or one that a channel would be opened for. */
bool stats_channels_admits(const struct stats_channels *s, const struct http_request *r);

/* Fills *ret and returns 0, or returns the HTTP status 401 when the token is unknown. */
int stats_channels_accept(struct stats_channels *s,
                          const struct http_request *r,
                          const struct ws_rules *rules,
                          struct ws_accept *ret);
