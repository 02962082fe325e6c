#pragma once

/*
 * Agent sessions: accept, first frame within 30 s, register or reconnect (a store job), auth_success,
 * then messages until the socket closes. One registered session per agent; a newer one supersedes it
 * (close 1000) and a teardown counts only if the closing socket is still the registered one. Lives on
 * the loop.
 */

#include "base/listeners.h"
#include "net/completion.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "proto/samples.h"
#include "server/command/command.h"
#include "server/common/job.h"
#include "server/fleet/fleet.h"
#include "server/history/history.h"
#include "server/session/migration.h"
#include "server/store/events.h"
#include "server/store/store.h"

struct sessions;

/*
 * Messages that belong to one connection of an agent, and its end. What agents say about their hosts
 * (samples, events, containers) goes to the listeners of the fleet: fleet/fleet_listener.h.
 */
struct sessions_listener {
    struct listener base;
    /* A message of a shell or log stream: "shell_data" or "log_data". */
    void (*on_stream)(struct sessions_listener *l,
                      const char *agent_id,
                      const char *name,
                      const json_t *payload);
    /* The session has ended or was replaced by another one of the same agent. */
    void (*on_agent_gone)(struct sessions_listener *l, const char *agent_id);
};

struct sessions_options {
    struct loop *loop;
    struct job_queue *store_jobs;
    struct job_queue *parse_jobs; /* large messages are parsed there; NULL or full: on the loop */
    struct db *store;
    struct fleet *fleet;
    uint64_t max_agents;       /* that may register; 0: AGENTS_DEFAULT_MAX */
    size_t max_message;        /* of an authenticated agent; 0: 16 MiB */
    size_t max_commands;       /* that wait for one agent; 0: COMMAND_MAX_PENDING */
    uint64_t auth_timeout_ms;  /* 0: 30 s */
    uint64_t ping_interval_ms; /* 0: WS_PING_INTERVAL_MS */
    uint64_t poll_interval_ms; /* list_containers of agents that do not push; 0: 2000 */
    /* Samples are acknowledged when it has written them, and registrations wait until it has started;
     * NULL: samples are acknowledged at once. Outlives the sessions. */
    struct history *history;
};

struct sessions *sessions_new(const struct sessions_options *o);
void sessions_add_listener(struct sessions *s, struct sessions_listener *l);
void sessions_remove_listener(struct sessions_listener *l); /* harmless if it was not added */
/*
 * Says goodbye to all agents (1001), fails pending commands and takes no new agents. Completes when all have gone, or
 * after a second.
 */
void sessions_stop(struct sessions *s, struct completion_wait *w, completion_fn fn);
/*
 * Closes what is still open and drains the store queue, so that what agents did is stored. What commands
 * report to must still be there.
 */
void sessions_free(struct sessions *s);

/*
 * Agents that register after sessions_hold() get their answer with sessions_release(), or are refused when they have
 * waited for as long as a registration may take (30 s).
 */
void sessions_hold(struct sessions *s);
void sessions_release(struct sessions *s);

/* One text message to an agent: 0, -ENOTCONN or -ENOBUFS. */
int sessions_send(struct sessions *s, const char *agent_id, const char *text, size_t size)
    _nodiscard_;

/* Fills the accept options for an upgrade of /api/agent/ws. */
void sessions_accept(struct sessions *s, struct ws_accept *ret);
/*
 * Tells an agent what is being looked at, see proto/samples.h. -ENOTCONN; -EOPNOTSUPP: it sends no samples, and what it
 * sends at its own pace.
 */
int sessions_stats_rate(struct sessions *s, const char *agent_id, const struct msg_stats_rate *rate)
    _nodiscard_;
size_t sessions_count(const struct sessions *s); /* also of those that are not authenticated yet */
/* The host's samples up to this place are kept for good: its agent need not keep them. */
void sessions_acknowledge(struct sessions *s,
                          const char *host_id,
                          const struct msg_samples_ack *ack);
/*
 * Not all that came of the host after what is kept for good could be kept: its agent is made to connect again and to send
 * that once more.
 */
void sessions_resend_samples(struct sessions *s, const char *host_id);
struct commands *sessions_commands(struct sessions *s);
/*
 * Ends the agent's session (1008) and forgets the agent. For the end of the job that deleted its host, so
 * that the agent's next attempt is refused; removing the host from the fleet is the caller's.
 */
void sessions_drop_agent(struct sessions *s, const char *agent_id, const char *why);
/* Ends the agent's session (1008), if there is one: its host is offline then, and stays. */
void sessions_close_agent(struct sessions *s, const char *agent_id, const char *why);
/* Asks for a fresh list soon (after an operation) from agents that are polled. */
void sessions_refresh(struct sessions *s, const char *agent_id);
/* For the end of the job that did migration_run(): the fleet forgets the old host. */
void sessions_on_migrated(struct sessions *s, const struct migration_result *m);
