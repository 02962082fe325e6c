#pragma once

/*
 * The downloads for new hosts: the installation script, the agent's programs and its images. Each
 * needs a registration token, which it does not use up. Owned by the api, which finishes the jobs
 * of its requests before it frees this.
 */

#include "server/api/call.h"

struct downloads;

struct downloads *downloads_new(void);
void downloads_free(struct downloads *d);

/*
 * Returns the line that joins another host to this server (download/join_line.h), to be freed, or
 * NULL when the server has no agents to offer or no safe address.
 */
char *downloads_join_line(const struct api_call *call, const char *token);
/* Returns the fingerprint of the key that other hosts meet, borrowed, or NULL: no TLS, or that of a
 * proxy. */
const char *downloads_fingerprint(const struct api_call *call);
