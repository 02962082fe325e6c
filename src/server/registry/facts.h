#pragma once

/*
 * The facts about the image of a container that an engine has sent, for the decision (decision.h).
 */

#include "server/fleet/fleet.h"
#include "server/registry/decision.h"

/* Texts are owned; NULL: unknown. */
struct image_facts {
    uint64_t version; /* of the container when they were read */
    char *image, *image_id, *manifest_digest;
    char platform[80];
    json_t *repo_digests;
    char *reference; /* the registry is asked about it; NULL: about none */
    bool is_seen;    /* used by the checker's sweep */
};

void image_facts_read(struct image_facts *ret,
                      const struct fleet_host *h,
                      const struct fleet_container *c);
void image_facts_done(struct image_facts *f);
/* Borrows the facts; the members of the answer are left empty. */
struct decision_source image_facts_source(const struct image_facts *f);
