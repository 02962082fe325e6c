#pragma once

/*
 * The engine's descriptions of containers and images, read from checked text (json_scan.h).
 */

#include "base/container_id.h"
#include "base/macros.h"
#include "docker/json_scan.h"
#include <stdbool.h>

#define IMAGE_ID_SIZE 72 /* "sha256:" and 64 hex digits */

/* The members of an element of /containers/json that the agent uses. */
struct container_element {
    char id[CONTAINER_ID_SIZE];
    char image_id[IMAGE_ID_SIZE]; /* "": none */
    struct json_span host_config; /* an object with members but no RestartPolicy, else empty */
    bool has_started_at, has_env, has_digests; /* members that the engine sent */
};

/* -EBADMSG: it has no ID of 64 hex digits. */
int container_element_read(struct json_span element, struct container_element *ret) _nodiscard_;

/*
 * From an inspect object: Config.Env as JSON object text; of duplicate names the last one counts.
 */
char *container_inspect_env(struct json_span inspect);
/* State.StartedAt as JSON string text; NULL: never started. */
char *container_inspect_started_at(struct json_span inspect);
/* HostConfig.RestartPolicy as JSON object text; NULL: none. */
char *container_inspect_restart_policy(struct json_span inspect);
/* State.OOMKilled as static JSON text, "true" or "false"; NULL: the engine did not send it. */
const char *container_inspect_oom_killed(struct json_span inspect);
bool container_inspect_has_tty(struct json_span inspect);
bool container_inspect_is_running(struct json_span inspect);
/* Nanoseconds since 1970 of "StartedAt" or "FinishedAt"; 0: never or unknown. */
int64_t container_inspect_time(struct json_span inspect, const char *key);

enum container_summary_state { CONTAINER_ENDED, CONTAINER_RUNNING, CONTAINER_PAUSED };

/* The state and the name, in which an inspect object and a list element can be compared. */
struct container_summary {
    enum container_summary_state state;
    char name[256]; /* without the leading '/'; "": unknown */
};

void container_inspect_summary(struct json_span inspect, struct container_summary *ret);
/* Whether the element of a list shows the same. */
bool container_element_is(struct json_span element, const struct container_summary *summary);

/* RepoDigests of an image inspect object, or "[]". */
char *image_inspect_digests(struct json_span inspect);
