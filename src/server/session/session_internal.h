#pragma once

/*
 * Shared by the files of session/ and included by no other file. session.h draws the states. Jobs
 * and commands hold a session's key, never a pointer, and look the session up again.
 */

#include "base/bucket.h"
#include "base/log.h"
#include "base/map.h"
#include "base/random.h"
#include "net/ws.h"
#include "proto/error_code.h"
#include "server/fleet/fleet_listener.h"
#include "server/session/agent_keys.h"
#include "server/session/ingest.h"
#include "server/session/refusals.h"
#include "server/session/registration.h"
#include "server/session/session.h"
#include "server/store/secret.h"

#define SESSION_KEY_SIZE        24
#define SESSION_AUTH_TIMEOUT_MS 30000
#define SESSION_MAX_MESSAGE     ((size_t)16 * 1024 * 1024)
#define SESSION_MAX_QUEUE       ((size_t)8 * 1024 * 1024)
#define SESSION_TOUCH_MS        60000
#define SESSION_POLL_MS         2000
#define SESSION_STOP_MS         1000

enum session_state {
    SESSION_AWAIT_AUTH,
    SESSION_AUTHENTICATING,
    SESSION_ACTIVE,
    SESSION_CLOSING,
};

/* At most one log line a minute, with the number of suppressed ones. */
struct complaint {
    uint64_t said_ms;
    unsigned n_suppressed;
};

/* Rate limits of an agent's reports, so that it floods neither the store nor clients. */
struct notices {
    struct bucket events, rows, steps, updates;
    unsigned n_suppressed; /* rows left out since the last stored one */
};

/* The parts received of an unfinished snapshot, and the deltas received between them. */
struct inventory {
    char *snapshot_id; /* NULL: no snapshot is unfinished */
    int64_t next_part;
    /* As text, because trees take many times as much. */
    struct strings parts, deltas;
    size_t size;    /* bytes of the text held, which count to the limit of all hosts */
    size_t n_nodes; /* JSON values in it */
};

enum poll_state { POLL_OFF, POLL_WAITING, POLL_ASKING };

struct poll {
    enum poll_state state;
    bool is_failing;     /* the host shows that the list cannot be read */
    bool lost_engine;    /* the agent has answered so, not merely been late */
    uint64_t sample_ms;  /* of the last sample; 0: none, or none after a missed restart */
    bool missed_restart; /* of the engine, and no sample has come since */
    bool is_idle;        /* the list is read at the longer interval */
    bool is_wanted;      /* a poll soon; while POLL_ASKING: another one right after it */
    unsigned n_failures;
    uint64_t taken;         /* the number of the newest list in the model */
    uint64_t look_until_ms; /* until then lists are asked for more often */
    struct loop_timer timer;
};

struct session {
    struct sessions *owner;
    char key[SESSION_KEY_SIZE]; /* in owner->live */
    struct ws *ws;
    enum session_state state;
    struct loop_timer auth_timer;
    char *peer;                        /* address */
    char token_hash[SECRET_HASH_SIZE]; /* of the token it came with */
    char *agent_id;                    /* NULL before ACTIVE, as is host_id */
    char *host_id;
    char *unproven_hash; /* of a token just issued, until a message proves its arrival; or NULL */
    bool can_inventory, can_replay; /* capabilities of the agent */
    bool can_samples;
    bool knows_codes;        /* the agent understands error codes, according to `register` */
    int64_t clock_offset_ms; /* to be added to the agent's times; 0 when its clock is about right */
    /* The same for late batches: the agent's clock may have been different then. */
    int64_t late_offset_ms;
    bool is_in_step;     /* the last batch was about now, with clock_offset_ms */
    uint64_t acked_ms;   /* when samples were last acknowledged */
    uint64_t touched_ms; /* when last_seen_at was last written */
    struct complaint complaint;
    uint64_t n_left_out; /* messages that could not be read */
    struct notices notices;
    struct inventory inventory;
    struct poll poll;
    struct loop_timer info_timer; /* host_info.c */
    const char *envelope_time;    /* of the event that is being handled, or NULL; borrowed */
};

/* The number of epochs of an agent of which the newest received batch is remembered. */
#define RECEIVED_EPOCHS 8

/*
 * Two machines with copies of one data directory take over each other's session for ever. After a
 * few takeovers the connected agent is kept, and the other one refused, until it gives up.
 */
struct contest {
    unsigned n_takeovers;
    uint64_t since_ms;      /* of the first one */
    char *text;             /* shown on the host; NULL: there is no contest */
    struct loop_timer calm; /* ends it */
};

/* One per agent that ever had a session since the start; bounded by the registered agents. */
struct agent_record {
    struct sessions *owner;
    struct contest contest;
    struct session *session;                          /* the registered one, or NULL */
    char host_id[UUID_TEXT_SIZE];                     /* of the last session */
    unsigned n_superseded;                            /* sessions, since the last report */
    struct msg_samples_ack received[RECEIVED_EPOCHS]; /* newest first; epoch 0: none */
    uint64_t late_epoch;                              /* of the newest late batch; 0: none */
    int64_t late_at_ms;                               /* the newest time of its late batches */
    uint64_t late_since_ms;                           /* monotonic: since that epoch */
    int64_t stray_at_ms;      /* the newest time of its other batches that were not about now */
    uint64_t stray_since_ms;  /* monotonic: when these times last went back */
    unsigned n_unordered;     /* batches that were dropped for their time */
    uint64_t samples_paid_ms; /* monotonic time at which its samples are within the rate */
    int64_t samples_day;      /* number of the UTC day that samples_of_day counts */
    uint64_t samples_of_day;  /* bytes */
    uint64_t reported_ms;
};

struct sessions {
    struct sessions_options o;
    struct listeners listeners;
    struct history_listener history;
    struct commands *commands;
    struct ingest *ingest;
    struct map live;    /* key -> struct session */
    struct map records; /* agent id -> struct agent_record */
    struct agent_keys keys;
    struct map contested; /* hash of a token -> struct agent_record: contest.c */
    uint64_t n_keys;
    uint64_t n_lists;               /* asked for, of all polled agents */
    uint64_t lists_needed_until_ms; /* monotonic */
    bool is_stopping;
    struct loop_timer stop_timer;
    struct completion stopped;
    struct log_limit refusals;
    struct refusals refused; /* for users */
    bool is_holding;
    struct list held; /* registrations that wait for their answer: authenticate.c */
};

/* session.c */
struct session *sessions_find(struct sessions *s, const char *key);
void session_set_state(struct session *se, enum session_state to);
void session_close(struct session *se, unsigned code, const char *reason);
int session_send(struct session *se, json_t *message) _nodiscard_; /* takes ownership */
/* Records that the agent is alive: in memory at once, in the store once a minute. */
void session_touch(struct session *se);
struct fleet_host *session_host(const struct session *se); /* NULL: its host was deleted */
/* Makes an authenticated session the registered one of its agent. */
void session_register(struct session *se, const struct registration *r);
/* authenticate.c: handles the first frame and answers it. */
void session_authenticate(struct session *se, const char *data, size_t size, bool is_binary);
struct session_refusal {
    enum error_code code;
    const char *text;
    unsigned close_code; /* WS_CLOSE_... */
    const char *close_reason;
};
void session_refuse(struct session *se, const struct session_refusal *r);
/* Logs a warning about a peer that is not authenticated; the number of such warnings is limited. */
void session_warn_stranger(struct session *se, const char *what, const char *why);

/* poll.c: of an agent that never comes back after a close, and so cannot be renewed. */
#define TEXT_MISSED_RESTART                                                                       \
    "the engine was restarted: this agent sends no events and no samples until it is restarted, " \
    "too"

/* contest.c: two agents with one identity. */
#define TEXT_TWO_AGENTS                                                                             \
    "Two agents use this identity, and another one is connected. If this machine's data directory " \
    "is a copy, delete permanent_token in it, and give this agent a registration token"
/* Call before the registration is judged. True: the connection was refused. */
bool contest_refuses(struct session *se, const char *token);
/* `se` takes over from `old`: reports it, and counts. */
void contest_note(struct agent_record *record, const struct session *old, const struct session *se);
/* The text of the contest if the host shows it, or NULL. */
const char *contest_text(const struct session *se);
void contest_end(struct agent_record *record);

/* arrival.c: any message of the agent proves that it has received its permanent token. */
void session_note_arrival(struct session *se);

/* inbound.c: handles all frames after the first one. */
/* Logs a warning about a message, at most once a minute; `word` is the agent's, or NULL. */
void session_complain(struct session *se, const char *what, const char *word);
void session_receive(struct session *se, const char *data, size_t size, bool is_binary);

/* notices.c: handles unrequested reports of an agent; invalid messages are logged. */
bool session_may_report_event(struct session *se);  /* false: too many events; that is logged */
bool session_may_report_update(struct session *se); /* false: too many; that is logged */
void session_on_update_progress(struct session *se, const json_t *payload, size_t size);
void session_on_selfupdate_progress(struct session *se, const json_t *payload, size_t size);
/* The same by an agent of ours, with a record of the update. */
void session_on_self_update(struct session *se, const json_t *payload, size_t size);
void session_on_error(struct session *se, const json_t *message, size_t size);
/* Shows on the host why its engine does not answer; NULL: it does. Events record a change. */
void session_show_engine(struct session *se, const char *error);
void session_on_engine_state(struct session *se, const json_t *payload, size_t size);

/* session_samples.c */
/*
 * From now on the history triggers acknowledgements, and registrations wait until it has started.
 */
void sessions_attach_history(struct sessions *s);
/* Makes batches that the history already has count as duplicates. */
void session_expect_samples(const struct session *se, struct agent_record *record);
void session_on_samples(struct session *se, const void *data, size_t size);
/* Sets the offset of the agent's clock from the time in a message that was sent without delay. */
void session_note_clock(struct session *se, const json_t *message);

/* inventory.c */
void session_on_snapshot(struct session *se, const json_t *payload, size_t size);
void session_on_delta(struct session *se, const json_t *payload, size_t size);
void inventory_done(struct session *se);
/* Logs that `n` containers of a list were left out of the model, unless n is 0. */
void session_complain_skipped(struct session *se, const struct fleet_host *h, size_t n);

/*
 * host_info.c: asks agents of ours for the facts of their hosts (versions, memory), which an
 * upgrade of the engine changes without a new connection: every hour, and when the engine is back.
 */
void session_info_start(struct session *se);
void session_info_soon(struct session *se);
void session_info_stop(struct session *se);

/* poll.c */
void session_poll_start(struct session *se);
void session_poll_soon(struct session *se, uint64_t delay_ms);
/* For a while, polls more often: the list of an engine lags behind its events. */
void session_poll_closely(struct session *se);
void session_poll_stop(struct session *se);
