#pragma once

/*
 * DockMon's own containers, which operators neither end nor rename nor enter.
 *
 * That of the server is known by its id, and agents of ours protect theirs by its id themselves.
 * Agents of other projects do not report which one is theirs: on their hosts it is one of an image
 * called dockmon or dockmon-agent, because the image of a container never changes. Only where none
 * of these runs, as with an image under another name, names (dockmon, dockmon-*) and the label
 * app=dockmon decide; no container is renamed to such a name there.
 */

#include "server/fleet/fleet.h"

/* Finds out which container the server runs in, if any. */
void own_containers_find(struct fleet *f);

/* A container as far as it is known: members may be NULL. The name may begin with '/'. */
struct own_subject {
    const char *id, *name;
    const json_t *labels;
};

bool own_containers_has(const struct fleet_host *h, const struct own_subject *c);
/* True: a container of this host that gets the name would be taken for DockMon's own. */
bool own_containers_claims(const struct fleet_host *h, const char *name);
