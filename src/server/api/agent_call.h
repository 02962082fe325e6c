#pragma once

/*
 * The parts that the handlers which ask an agent share: finding the container that a path names,
 * asking, and answering the client with the agent's failure.
 */

#include "server/api/call.h"
#include "server/command/command.h"

/* Answers the call with the failure of a command: 403, 404, 409, 501, 502, 503 or 504; 500 for
 * others. */
void api_fail_command(struct api_call *call, const struct command_result *r);

/* The status of that answer. *ret_text, which the caller frees, replaces the message; NULL: it is
 * good as it is. */
int api_command_status(const struct command_result *r, char **ret_text);

/* The container that path parameters 0 (host) and 1 (container) name. */
struct api_target {
    struct fleet_host *host;
    struct fleet_container *container; /* NULL: unknown to the live model */
    /*
     * As sent to the agent: the full id if the path has an id that is known, or if the scope of the
     * caller was checked for that container; otherwise the words of the path. A name is resolved by
     * the engine, because the model can be older.
     */
    char ref[256];
};

/* False after the call was answered: no such host, agent or container, or the host is offline. */
bool api_target_find(struct api_call *call, struct api_target *ret);
/* Returns HOST/CONTAINER, by name; the caller frees it. */
char *api_target_text(const struct api_target *t);

/* Returns the host of the agent in path parameter 0, or NULL after answering the call with 404. */
struct fleet_host *api_agent(struct api_call *call);

/* Returns the host in path parameter 0 if its agent is online, or NULL after answering the call. */
struct fleet_host *api_agent_host(struct api_call *call);

/* Returns whether the host has an agent that is online; otherwise answers the call. */
bool api_agent_check(struct api_call *call, const struct fleet_host *h);

struct api_operation {
    enum operation_id operation;
    json_t *payload;     /* api_agent_ask() takes ownership */
    uint64_t timeout_ms; /* 0: api_operation_timeout_ms() */
    command_done_fn done;
    void *owner;
};

/* Sends the operation to the host's agent. A failure to send is also reported to `done`. */
void api_agent_ask(struct api_call *call,
                   const struct fleet_host *h,
                   const struct api_operation *o);

/* Returns the timeout of an operation; `stop_s` is added for those with TAKES_TIMEOUT. */
uint64_t api_operation_timeout_ms(enum operation_id operation, uint64_t stop_s);
