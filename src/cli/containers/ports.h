#pragma once

/*
 * The PORTS column, as `docker ps` writes it: ports of one address and protocol are joined to ranges, what is
 * published under another number stands alone, behind the rest.
 */

#include <jansson.h>

#define PORTS_MAX 512 /* of one container; more are left out */

/* `list`: the Engine's list [{"IP", "PrivatePort", "PublicPort", "Type"}]. To be freed; never NULL. */
char *ports_text(const json_t *list);
