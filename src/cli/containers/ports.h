#pragma once

/*
 * The PORTS column as `docker ps` writes it: ports of one address and protocol are joined to
 * ranges; a port that is published under another number stands alone, after the ranges.
 */

#include <jansson.h>

#define PORTS_MAX 512 /* of one container; further ports are omitted */

/*
 * `list`: the engine's list [{"IP", "PrivatePort", "PublicPort", "Type"}]. To be freed; never NULL.
 */
char *ports_text(const json_t *list);
