#pragma once

/*
 * Copies the facts of a register message into the rows of its host and agent, and cleans host
 * names.
 */

#include "proto/register.h"
#include "server/store/agents.h"
#include "server/store/hosts.h"

/* Replaces a text by a copy of `from`; NULL and "" leave it unchanged. */
void host_facts_set(char **to, const char *from);

/* The addresses as the JSON array of a host's row; the caller frees it. */
char *host_facts_ips(const struct msg_register *m) _nodiscard_;

/* Sets the properties that the agent reports of its machine; the others remain unchanged. */
void host_facts_put(struct host *h, const struct msg_register *m, int64_t now_ms);
void host_facts_put_agent(struct agent *a, const struct msg_register *m, int64_t now_ms);

/*
 * Trims the name and cuts it between characters; the caller frees it. NULL: nothing is left, or
 * the name is not allowed (common/host_name.h).
 */
char *host_facts_name(const char *hostname);
