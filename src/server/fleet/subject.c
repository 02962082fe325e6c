#include "server/fleet/subject.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/store/container_settings.h"

#include <strings.h>

#define COMPOSE "com.docker.compose."

static const char *get_label(const json_t *labels, const char *name)
{
    return labels ? json_text_get(labels, name) : NULL;
}

bool subject_of_container(const json_t *labels, const char *name, char *ret)
{
    const char *oneoff = get_label(labels, COMPOSE "oneoff");

    /* `docker compose run` gives its container the number of one that may run beside it. */
    if (oneoff && strcasecmp(oneoff, "true") == 0)
        return container_subject_make(ret, NULL, NULL, NULL, name);
    return container_subject_make(ret, get_label(labels, COMPOSE "project"),
                                  get_label(labels, COMPOSE "service"),
                                  get_label(labels, COMPOSE "container-number"), name);
}
