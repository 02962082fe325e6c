#pragma once

/*
 * Sessions of agents: from the accepted WebSocket to its end. Lives on the loop.
 *
 *   AWAIT_AUTH --first frame--> AUTHENTICATING --job ends--> ACTIVE
 *        \_________________________ | _____________________/ |
 *                                CLOSING <------------------'  --socket closed--> freed
 *
 * The first frame (register, or reconnect with the permanent token) must come within 30 s and is
 * judged by a store job. Then the agent's messages count until the socket closes. There is one
 * registered session per agent: a newer one supersedes it (close code 1000), and the end of a
 * session only takes the host offline if it still is the registered one.
 *
 * Messages of an agent go
 *
 *   - as replies, to the command that waits for them: command/command.h;
 *   - as containers and samples, into the model, then to the listeners of the fleet:
 *     fleet/fleet_listener.h;
 *   - as events, into the store, then to the listeners of the fleet;
 *   - as data of shells and followed logs, to the listeners of the sessions (below).
 *
 * Samples are acknowledged to the agent, which keeps them until then. With a history that happens
 * when they are written there; after a restart the history also knows which batches are
 * duplicates.
 *
 * Ownership: a session belongs to its socket and is freed with it. Nobody outside of this folder
 * has a pointer to one; callers name an agent by its id, and a call finds its registered session
 * or returns -ENOTCONN. Everything in the options is borrowed and outlives the sessions.
 * Listeners remove themselves, or are removed by sessions_free().
 *
 *   agent        a row in the store with a token, on one host
 *   registered   the newest accepted session of an agent
 *   superseded   replaced by a newer session of the same agent
 *   polled       an old agent that does not send its containers: it is asked for them (poll.c)
 *   held         a registration that waits for the history to start
 */

#include "base/listeners.h"
#include "net/completion.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "proto/error_code.h"
#include "proto/samples.h"
#include "server/command/command.h"
#include "server/common/job.h"
#include "server/fleet/fleet.h"
#include "server/history/history.h"
#include "server/session/migration.h"
#include "server/session/refusals.h"
#include "server/store/events.h"
#include "server/store/store.h"

struct sessions;

/* Messages that belong to one connection of an agent, and its end. */
struct sessions_listener {
    struct listener base;
    /* A message of a shell or log stream: "shell_data" or "log_data". */
    void (*on_stream)(struct sessions_listener *l,
                      const char *agent_id,
                      const char *name,
                      const json_t *payload);
    /* An event about an update of a container: "update_journal", "update_progress" ... */
    void (*on_update)(struct sessions_listener *l,
                      const char *agent_id,
                      const char *name,
                      const json_t *payload);
    /* Some of the agent's tokens may be invalid now: sessions_find_token(). */
    void (*on_tokens)(struct sessions_listener *l, const char *agent_id);
    /* The session has ended or was replaced by another one of the same agent. */
    void (*on_agent_gone)(struct sessions_listener *l, const char *agent_id);
};

struct sessions_options {
    struct loop *loop;
    struct job_queue *store_jobs;
    struct job_queue *parse_jobs; /* parses large messages; NULL or full: the loop parses them */
    struct db *store;
    struct fleet *fleet;
    const char *release_key;   /* public, in base64; NULL: none */
    uint64_t max_agents;       /* registered agents; 0: AGENTS_DEFAULT_MAX */
    size_t max_message;        /* bytes of a message of an authenticated agent; 0: 16 MiB */
    size_t max_commands;       /* pending commands per agent; 0: COMMANDS_MAX_AWAITED */
    uint64_t auth_timeout_ms;  /* 0: 30 s */
    uint64_t ping_interval_ms; /* 0: WS_PING_INTERVAL_MS */
    uint64_t poll_interval_ms; /* between list_containers of polled agents; 0: 2000 */
    /* Acknowledgements and registrations wait for it; NULL: samples are acknowledged at once. */
    struct history *history;
};

/* Call before the loop runs: reads the valid tokens of all agents. */
int sessions_load_tokens(struct sessions *s, struct error *err) _nodiscard_;
/*
 * Call on the loop after every store job that has changed a token of an agent: a registration,
 * each step of a rotation, a revocation. `hashes` is from agent_token_list(); NULL: none is valid.
 * Channels of other tokens are closed.
 */
void sessions_set_tokens(struct sessions *s, const char *agent_id, const char *hashes);
/* Returns the id of the agent that the token with this hash belongs to, or NULL. */
const char *sessions_find_token(const struct sessions *s, const char *token_hash);

struct sessions *sessions_new(const struct sessions_options *o);
void sessions_add_listener(struct sessions *s, struct sessions_listener *l);
void sessions_remove_listener(struct sessions_listener *l); /* harmless if it was not added */
/*
 * Closes the sessions of all agents (1001), fails pending commands and accepts no new agents.
 * Completes when all have closed, or after a second.
 */
void sessions_stop(struct sessions *s, struct completion_wait *w, completion_fn fn);
/*
 * Drops open sockets, and drains the store queue so that received events are stored. Pending
 * commands fail, so the objects that they report to must still exist.
 */
void sessions_free(struct sessions *s);

/*
 * Agents that register after sessions_hold() are answered by sessions_release(), or refused when
 * the time for a registration (30 s) has passed. sessions_new() does both when there is a
 * history.
 */
void sessions_hold(struct sessions *s);
void sessions_release(struct sessions *s);

/* Sends one text message to an agent. -ENOTCONN; -ENOBUFS: too much is queued for it. */
int sessions_send(struct sessions *s, const char *agent_id, const char *text, size_t size)
    _nodiscard_;

/* Fills the accept options for an upgrade; the limits hold until the agent has authenticated. */
void sessions_accept(struct sessions *s, const struct ws_limits *limits, struct ws_accept *ret);
/*
 * Sends an agent the rate at which samples are wanted, see proto/samples.h. -ENOTCONN;
 * -EOPNOTSUPP: the agent sends no batches, but single samples at its own interval.
 */
int sessions_stats_rate(struct sessions *s, const char *agent_id, const struct msg_stats_rate *rate)
    _nodiscard_;
/* The newest refused attempts of agents. Borrowed; valid until the next one. */
const struct refusals *sessions_refusals(const struct sessions *s);
/* Adds an attempt that another door refused, such as the installation script. */
void sessions_note_refusal(struct sessions *s,
                           const char *peer,
                           enum error_code code,
                           const char *text);
/*
 * False: the agent is not connected. Otherwise the ms by which its clock is behind ours, negative
 * when it is ahead, and 0 when the two are within a minute.
 */
bool sessions_clock_offset(const struct sessions *s, const char *agent_id, int64_t *ret_ms);
/* The number of sessions, including those that are not authenticated yet. */
size_t sessions_count(const struct sessions *s);
/* Acknowledges the host's samples up to this position, so that its agent may drop them. */
void sessions_acknowledge(struct sessions *s,
                          const char *host_id,
                          const struct msg_samples_ack *ack);
/*
 * Call when samples of the host were lost after its written position: closes the agent's session,
 * so that it reconnects and sends them again.
 */
void sessions_resend_samples(struct sessions *s, const char *host_id);
struct commands *sessions_commands(struct sessions *s);
/*
 * Ends the agent's session (1008) and forgets the agent, so that its next attempt is refused.
 * Called when the job that deleted its host has ended; the caller removes the host from the
 * fleet.
 */
void sessions_drop_agent(struct sessions *s, const char *agent_id, const char *why);
/* Ends the agent's session (1008), if there is one; its host goes offline and is kept. */
void sessions_close_agent(struct sessions *s, const char *agent_id, const char *why);
/* Polls a polled agent at once, as its containers have changed; other agents push. */
void sessions_refresh(struct sessions *s, const char *agent_id);
/*
 * Somebody reads the lists of containers: for 10 s those of polled agents are kept at the interval
 * of the options. Without that call, and while events and samples arrive, it is 10 s.
 */
void sessions_need_lists(struct sessions *s);
/* A sample of this agent has arrived on its statistics channel. It shows that the engine works. */
void sessions_note_sample(struct sessions *s, const char *agent_id);

/*
 * Lists of a polled agent that a caller has asked for by itself, so that it knows when the model
 * has the state. A list may arrive after one that was asked for later: each has a number, taken
 * when it is asked for, and an older one is dropped.
 */
bool sessions_is_polled(struct sessions *s, const char *agent_id);
uint64_t sessions_number_list(struct sessions *s);
/* Applies the reply to a list_containers. False: it is a failure, or invalid. */
bool sessions_take_list(struct sessions *s,
                        const char *agent_id,
                        uint64_t number,
                        const struct command_result *r);

/* Called when the job of migration_run() has ended: removes the old host from the fleet. */
void sessions_on_migrated(struct sessions *s, const struct migration_result *m);
