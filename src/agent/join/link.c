#include "agent/join/link.h"
#include "agent/config/release_pin.h"
#include "agent/join/advice.h"
#include "agent/join/credentials.h"
#include "agent/join/inquiry.h"
#include "agent/join/uplink.h"
#include "agent/session/session.h"
#include "agent/update/self_update.h"
#include "base/alloc.h"
#include "base/state.h"
#include "base/str.h"
#include "base/time.h"
#include "net/backoff.h"
#include "net/ws.h"
#include "proto/error_code.h"
#include "proto/json_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_TEXT 24

#define WORKED_WAITS    10
#define SAVE_INITIAL_MS 2000
#define SAVE_MAX_MS     60000

#define SUPERSEDED_REASON "New connection established"

enum link_state {
    LINK_IDLE,
    LINK_ENGINE,      /* asking the engine for its identity, or waiting to ask again */
    LINK_DIALING,     /* TCP, TLS, WebSocket handshake */
    LINK_REGISTERING, /* register was sent, waiting for the answer */
    LINK_SESSION,
    LINK_CLOSING,  /* a close frame was sent, waiting for on_close */
    LINK_WAITING,  /* until the next attempt */
    LINK_DRAINING, /* stopping: the session finishes */
    LINK_LEAVING,  /* stopping: the connection closes */
    LINK_STOPPED,
};

/* The delay after the connection that is being closed. */
enum link_next { NEXT_BACKOFF, NEXT_AT_ONCE, NEXT_SLOWEST };

struct link {
    struct link_options o;
    enum link_state state;
    struct loop_timer timer; /* deadline or delay of the state; stopped when it changes */

    struct backoff backoff;
    enum link_next next;
    uint64_t session_since_ms; /* 0: the last attempt did not reach a session */

    struct credentials credentials;
    struct backoff save_backoff;
    struct loop_timer save_timer; /* runs while the credentials could not be stored */

    bool has_warned_of_checks; /* see session_options */

    struct inquiry inquiry; /* in LINK_SESSION: whether the engine has been exchanged */
    char *facts;            /* identity_facts() as registered */
    struct events_listener events;
    struct uplink uplink;
    struct session *session;

    struct completion_wait session_stopped;
    struct completion stopped;
};

static const struct state_row states[] = {
    STATE_ROW(LINK_IDLE, "idle", STATE_TO(LINK_ENGINE) | STATE_TO(LINK_LEAVING)),
    STATE_ROW(LINK_ENGINE, "engine", STATE_TO(LINK_DIALING) | STATE_TO(LINK_LEAVING)),
    STATE_ROW(LINK_DIALING,
              "dialing",
              STATE_TO(LINK_REGISTERING) | STATE_TO(LINK_WAITING) | STATE_TO(LINK_LEAVING)),
    STATE_ROW(LINK_REGISTERING,
              "registering",
              STATE_TO(LINK_SESSION) | STATE_TO(LINK_CLOSING) | STATE_TO(LINK_WAITING) |
                  STATE_TO(LINK_LEAVING)),
    STATE_ROW(LINK_SESSION,
              "session",
              STATE_TO(LINK_CLOSING) | STATE_TO(LINK_WAITING) | STATE_TO(LINK_DRAINING)),
    STATE_ROW(LINK_CLOSING, "closing", STATE_TO(LINK_WAITING) | STATE_TO(LINK_LEAVING)),
    STATE_ROW(LINK_WAITING, "waiting", STATE_TO(LINK_ENGINE) | STATE_TO(LINK_LEAVING)),
    STATE_ROW(LINK_DRAINING, "draining", STATE_TO(LINK_LEAVING)),
    STATE_ROW(LINK_LEAVING, "leaving", STATE_TO(LINK_STOPPED)),
    STATE_ROW(LINK_STOPPED, "stopped", 0),
};

static const struct state_machine machine = STATE_MACHINE("link", states);

static void set_state(struct link *l, enum link_state state)
{
    state_check(&machine, NULL, l->state, state);
    loop_timer_stop(&l->timer);
    l->state = state;
}

/* Starts the timer of a state, which set_state() stops. */
static void set_timer(struct link *l, uint64_t delay_ms, loop_timer_fn fn)
{
    loop_timer_start(l->o.loop, &l->timer, delay_ms, fn);
}

bool link_is_connected(const struct link *l)
{
    return l->state == LINK_SESSION || l->state == LINK_DRAINING;
}

static struct link *link_of(struct loop_timer *t)
{
    return CONTAINER_OF(t, struct link, timer);
}

static const char *seconds_text(uint64_t ms, char ret[NUMBER_TEXT])
{
    (void)snprintf(ret, NUMBER_TEXT, "%" PRIu64 ".%" PRIu64 "s", ms / 1000, ms % 1000 / 100);
    return ret;
}

static void ask_engine(struct link *l)
{
    inquiry_cancel(&l->inquiry);
    set_state(l, LINK_ENGINE);
    inquiry_start(&l->inquiry);
}

static void on_wait_over(struct loop_timer *t)
{
    ask_engine(link_of(t));
}

/* A session that lasts longer has worked: the wait after it is a short one. */
static uint64_t worked_ms(const struct link *l)
{
    uint64_t ms = WORKED_WAITS * l->backoff.initial_ms;

    return ms < l->backoff.max_ms ? ms : l->backoff.max_ms;
}

/* Schedules the next attempt after the end of an attempt or a session. */
static void wait_for_next(struct link *l)
{
    char text[NUMBER_TEXT];
    uint64_t wait_ms = 0;

    if (l->session_since_ms) {
        if (time_monotonic_ms() - l->session_since_ms > worked_ms(l))
            backoff_reset(&l->backoff);
        credentials_review_dropped(&l->credentials);
        l->session_since_ms = 0;
    }
    switch (l->next) {
    case NEXT_BACKOFF: wait_ms = backoff_next(&l->backoff); break;
    case NEXT_SLOWEST: wait_ms = backoff_slowest(&l->backoff); break;
    case NEXT_AT_ONCE: break;
    }
    if (l->next != NEXT_AT_ONCE)
        log_info(NULL, "next attempt to connect in %s", seconds_text(wait_ms, text));
    l->next = NEXT_BACKOFF;
    set_state(l, LINK_WAITING);
    set_timer(l, wait_ms, on_wait_over);
}

static void close_connection(struct link *l, unsigned code, const char *reason)
{
    set_state(l, LINK_CLOSING);
    uplink_stop_heartbeat(&l->uplink);
    session_free(TAKE_PTR(l->session));
    ws_close(l->uplink.ws, code, reason);
}

/* --- session ---------------------------------------------------------------------------------- */

static int rotate_token(void *owner, const char *token, struct error *err)
{
    struct uplink *u = owner;
    struct link *l = CONTAINER_OF(u, struct link, uplink);
    int r = credentials_rotate(&l->credentials, token, err);

    if (r == 0)
        self_update_set_token(l->o.self_update, token);
    return r;
}

static void on_save_again(struct loop_timer *t)
{
    struct link *l = CONTAINER_OF(t, struct link, save_timer);
    struct error err = ERROR_INIT;

    if (credentials_save(&l->credentials, &err) < 0) {
        log_debug(LOG_FIELDS("path", l->o.config->token_path), "%s", err.msg);
        loop_timer_start(l->o.loop, &l->save_timer, backoff_next(&l->save_backoff), on_save_again);
        return;
    }
    log_info(LOG_FIELDS("path", l->o.config->token_path), "the permanent token is stored now");
}

/* Stores the token and the engine id of an accepted attempt, and tries again after a failure. */
static void keep_credentials(struct link *l, const char *token)
{
    struct error err = ERROR_INIT;

    loop_timer_stop(&l->save_timer);
    if (credentials_keep(&l->credentials, token, &err) == 0)
        return;
    log_error(LOG_FIELDS("path", l->o.config->token_path), "%s", err.msg);
    backoff_reset(&l->save_backoff);
    loop_timer_start(l->o.loop, &l->save_timer, backoff_next(&l->save_backoff), on_save_again);
}

/* Our server takes batches; agents of the protocol 1.0 have no second channel. */
static bool has_stats_channel(const struct link *l, const struct msg_auth_success *success)
{
    return !msg_auth_success_can(success, "samples") && l->credentials.permanent &&
           !str_eq(l->o.config->proto_version, "1.0");
}

static void start_session(struct link *l, const struct msg_auth_success *success)
{
    struct stats_channel_options channel = {
        .loop = l->o.loop,
        .url = l->o.config->stats_url,
        .is_insecure = l->o.config->is_insecure,
        .proxies = &l->o.config->proxies,
    };

    keep_credentials(l, success->permanent_token);
    release_pin_note(l->o.config->release_pin_path, success->release_key);
    self_update_on_accepted(l->o.self_update, l->credentials.permanent);
    log_info(LOG_FIELDS("agent_id", success->agent_id, "host_id", success->host_id),
             "connected and accepted");
    l->session_since_ms = time_monotonic_ms();
    set_state(l, LINK_SESSION);
    uplink_start_heartbeat(&l->uplink);
    channel.token = l->credentials.permanent;
    l->session = session_new(&(struct session_options){
        .loop = l->o.loop,
        .engine = l->o.engine,
        .facts = l->o.facts,
        .events = l->o.events,
        .killer = l->o.killer,
        .network_undo = l->o.network_undo,
        .updates = l->o.updates,
        .self_update = l->o.self_update,
        .policy = &l->o.config->policy,
        .own_container = l->inquiry.identity.own_container,
        .has_warned_of_checks = &l->has_warned_of_checks,
        .rotate_token = rotate_token,
        .send = uplink_send,
        .queued = uplink_queued,
        .ask_receipt = uplink_ask_receipt,
        .owner = &l->uplink,
        .collector = l->o.collector,
        .spool = l->o.spool,
        .sink = msg_auth_success_can(success, "samples") ? &l->uplink.sink : NULL,
        .channel = has_stats_channel(l, success) ? &channel : NULL,
        .samples_has = {success->samples_epoch, success->samples_seq},
        .wants_inventory = msg_auth_success_can(success, "inventory"),
        .wants_updates = msg_auth_success_can(success, UPDATES_CAPABILITY),
        .wants_self_update = msg_auth_success_can(success, SELF_UPDATE_CAPABILITY),
        .wants_engine_state = msg_auth_success_can(success, "engine_state"),
        .wants_codes = msg_auth_success_can(success, ERROR_CODES_CAPABILITY),
        .wants_event_replay = msg_auth_success_can(success, "event_replay"),
        .events_since_ns = success->events_since,
        .max_message = LINK_MAX_MESSAGE_OUT,
    });
}

/* --- registration ----------------------------------------------------------------------------- */

static void on_auth_timeout(struct loop_timer *t)
{
    struct link *l = link_of(t);

    log_warn(LOG_FIELDS("url", l->o.config->ws_url), "registration failed: no answer within %d s",
             LINK_AUTH_TIMEOUT_MS / 1000);
    close_connection(l, WS_CLOSE_POLICY, "no answer to register");
}

static void on_open(void *owner)
{
    struct link *l = owner;
    const char *token = credentials_token(&l->credentials);
    const char *present = l->inquiry.identity.engine_id;
    const char *engine_id = credentials_engine_id(&l->credentials, present);
    _cleanup_free_ const char **leave_out = NULL;
    struct msg_register message;
    json_t *v;
    char *text;
    size_t size;
    int r;

    leave_out = xcalloc(l->credentials.dropped.n + 1, sizeof(*leave_out));
    for (size_t i = 0; i < l->credentials.dropped.n; i++)
        leave_out[i] = l->credentials.dropped.items[i];
    if (!str_eq(engine_id, present)) {
        log_info(LOG_FIELDS("engine_id", present, "registered", engine_id),
                 "the engine has another id than at the registration: sending that one");
    }
    free(l->facts);
    l->facts = identity_facts(&l->inquiry.identity);
    identity_fill_register(&l->inquiry.identity, l->o.config, token, engine_id, &message);
    v = msg_register_encode(&message, leave_out);
    text = json_text_write(v, &size);

    set_state(l, LINK_REGISTERING);
    set_timer(l, LINK_AUTH_TIMEOUT_MS, on_auth_timeout);
    r = ws_send_text(l->uplink.ws, text, size);
    if (r < 0)
        close_connection(l, WS_CLOSE_INTERNAL, "cannot send register");

    explicit_bzero(text, size);
    free(text);
    json_decref(v);
    msg_register_done(&message);
}

static void on_auth_reply(struct link *l, const char *data, size_t size)
{
    struct auth_attempt attempt;
    struct auth_reply reply;

    credentials_attempt(&l->credentials, &attempt);
    attempt.hostname = l->inquiry.identity.hostname;
    auth_reply_judge(&attempt, data, size, &reply);
    credentials_apply(&l->credentials, &reply);
    switch (reply.verdict) {
    case AUTH_ACCEPTED: start_session(l, &reply.success); break;
    case AUTH_DROP_FIELD:
        log_info(LOG_FIELDS("field", reply.field),
                 "the server does not know a field of register: trying without all newer ones");
        l->next = NEXT_AT_ONCE;
        break;
    case AUTH_USE_PRESENT_ENGINE:
        log_warn(NULL,
                 "the server refused the engine id of the registration, trying the present one: %s",
                 reply.reason);
        l->next = NEXT_AT_ONCE;
        break;
    case AUTH_USE_OTHER_TOKEN:
        log_warn(
            LOG_FIELDS("path", l->o.config->token_path),
            "the server refused the permanent token, trying the other one of PERMANENT_TOKEN and "
            "the token file: %s",
            reply.reason);
        l->next = NEXT_AT_ONCE;
        break;
    case AUTH_USE_REGISTRATION:
        log_warn(NULL, "the server refused the permanent token, trying REGISTRATION_TOKEN: %s",
                 reply.reason);
        l->next = NEXT_AT_ONCE;
        break;
    case AUTH_REFUSED:
        log_error(LOG_FIELDS("url", l->o.config->ws_url), "the server refused this agent: %s",
                  reply.reason);
        l->next = NEXT_SLOWEST;
        break;
    case AUTH_FAILED:
        log_warn(LOG_FIELDS("url", l->o.config->ws_url), "registration failed: %s", reply.reason);
        break;
    }
    if (reply.verdict != AUTH_ACCEPTED) {
        self_update_note_trouble(l->o.self_update, reply.reason);
        close_connection(l, WS_CLOSE_NORMAL, "");
    }
    auth_reply_done(&reply);
}

/* --- connection ------------------------------------------------------------------------------- */

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    struct link *l = owner;
    bool is_expected = l->state == LINK_REGISTERING || l->state == LINK_SESSION;

    if (is_binary && is_expected) {
        log_warn(NULL, "closing the connection: unexpected binary message from the server");
        close_connection(l, WS_CLOSE_UNSUPPORTED, "text only");
    } else if (l->state == LINK_REGISTERING) {
        on_auth_reply(l, data, size);
    } else if (l->session && !is_binary && l->state != LINK_LEAVING) {
        session_on_message(l->session, data, size);
    }
}

static void on_receipt(void *owner, uint64_t number)
{
    const struct link *l = owner;

    if (l->session && l->state != LINK_LEAVING)
        session_on_receipt(l->session, number);
}

static void finish(struct link *l)
{
    set_state(l, LINK_STOPPED);
    completion_signal(&l->stopped, l->o.loop);
}

static void report_close(struct link *l, const struct ws_close *why)
{
    const char *const *fields = LOG_FIELDS("url", l->o.config->ws_url, "reason", why->reason);

    if (l->state == LINK_DIALING || l->state == LINK_REGISTERING)
        self_update_note_trouble(l->o.self_update, why->reason);
    if (l->state == LINK_DIALING) {
        log_warn(LOG_FIELDS("url", l->o.config->ws_url), "cannot connect: %s; %s", why->reason,
                 advice_server(why->reason));
    } else if (l->state == LINK_REGISTERING) {
        log_warn(fields, "registration failed: the server closed the connection (%u)", why->code);
    } else if (l->state == LINK_SESSION && why->code == WS_CLOSE_NORMAL &&
               str_eq(why->reason, SUPERSEDED_REASON)) {
        log_error(fields,
                  "another agent has connected with the same token; if its data directory is "
                  "a copy of this one, delete its permanent_token and give it a registration "
                  "token");
        l->next = NEXT_SLOWEST;
    } else if (l->state == LINK_SESSION) {
        log_warn(fields, "the connection ended (%u)", why->code);
    }
}

static void on_close(void *owner, const struct ws_close *why)
{
    struct link *l = owner;

    l->uplink.ws = NULL;
    uplink_stop_heartbeat(&l->uplink);
    session_free(TAKE_PTR(l->session));
    report_close(l, why);
    if (l->state == LINK_DRAINING)
        set_state(l, LINK_LEAVING);
    if (l->state == LINK_LEAVING) {
        finish(l);
    } else {
        wait_for_next(l);
    }
}

static const struct ws_handler ws_functions = {
    .on_open = on_open,
    .on_message = on_message,
    .on_receipt = on_receipt,
    .on_close = on_close,
};

static void dial(struct link *l)
{
    struct error err = ERROR_INIT;
    int r;

    set_state(l, LINK_DIALING);
    r = ws_connect(&l->uplink.ws, l->o.loop,
                   &(struct ws_dial){
                       .url = l->o.config->ws_url,
                       .is_insecure = l->o.config->is_insecure,
                       .proxies = &l->o.config->proxies,
                       .limits = {.max_message = LINK_MAX_MESSAGE_IN,
                                  .max_queue = LINK_MAX_QUEUE,
                                  .ping_interval_ms = l->o.config->ping_interval_ms},
                       .handler = &ws_functions,
                       .owner = l,
    },
                   &err);
    if (r < 0) {
        log_warn(LOG_FIELDS("url", l->o.config->ws_url), "cannot connect: %s", err.msg);
        wait_for_next(l);
    }
}

/* Servers take the facts of a host from its registration only. */
static void check_facts(struct link *l)
{
    _cleanup_free_ char *facts = identity_facts(&l->inquiry.identity);

    if (str_eq(facts, l->facts))
        return;
    log_info(LOG_FIELDS("docker", l->inquiry.identity.docker_version),
             "the engine was exchanged or upgraded: registering again");
    l->next = NEXT_AT_ONCE;
    close_connection(l, WS_CLOSE_NORMAL, "the engine has changed");
}

static void on_engine_known(void *owner)
{
    struct link *l = owner;

    if (l->state == LINK_ENGINE) {
        dial(l);
    } else if (l->state == LINK_SESSION) {
        check_facts(l);
    }
}

/* The engine answers again, perhaps another version of it. */
static void on_gap(struct events_listener *listener, const struct events *ev)
{
    struct link *l = CONTAINER_OF(listener, struct link, events);

    (void)ev;
    if (l->state != LINK_SESSION)
        return;
    inquiry_cancel(&l->inquiry);
    inquiry_start(&l->inquiry);
}

/* --- life ------------------------------------------------------------------------------------- */

int link_new(struct link **ret, const struct link_options *o, struct error *err)
{
    _cleanup_(link_freep) struct link *l = xcalloc(1, sizeof(*l));
    int r;

    l->o = *o;
    uplink_init(&l->uplink, o->loop);
    inquiry_init(&l->inquiry, o->loop, o->engine, o->config, on_engine_known, l);
    l->events.on_gap = on_gap;
    events_add_listener(o->events, &l->events);
    backoff_init(&l->backoff, o->config->reconnect_initial_ms, o->config->reconnect_max_ms);
    backoff_init(&l->save_backoff, SAVE_INITIAL_MS, SAVE_MAX_MS);
    r = credentials_init(&l->credentials, o->config, err);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(l);
    return 0;
}

void link_free(struct link *l)
{
    if (!l)
        return;
    loop_timer_stop(&l->timer);
    loop_timer_stop(&l->save_timer);
    uplink_stop_heartbeat(&l->uplink);
    completion_cancel(&l->session_stopped);
    completion_done(&l->stopped);
    session_free(l->session);
    if (l->uplink.ws)
        ws_free(l->uplink.ws);
    events_remove_listener(&l->events);
    inquiry_done(&l->inquiry);
    free(l->facts);
    credentials_done(&l->credentials);
    free(l);
}

void link_start(struct link *l)
{
    ask_engine(l);
}

/* Closes the connection, with a close frame if it is open, and stops. */
static void leave(struct link *l)
{
    bool can_close = l->state == LINK_REGISTERING || l->state == LINK_DRAINING;
    bool is_closing = l->state == LINK_CLOSING;

    set_state(l, LINK_LEAVING);
    if (can_close) {
        ws_close(l->uplink.ws, WS_CLOSE_GOING_AWAY, "agent is stopping");
    } else if (!is_closing) {
        if (l->uplink.ws)
            ws_free(TAKE_PTR(l->uplink.ws));
        finish(l);
    }
}

static void on_session_stopped(struct completion_wait *w)
{
    leave(CONTAINER_OF(w, struct link, session_stopped));
}

static void on_drain_timeout(struct loop_timer *t)
{
    struct link *l = link_of(t);

    log_warn(NULL, "some requests did not finish within %d s", LINK_DRAIN_MS / 1000);
    session_free(TAKE_PTR(l->session));
    leave(l);
}

void link_stop(struct link *l, struct completion_wait *w, completion_fn fn)
{
    completion_await(&l->stopped, w, fn);
    loop_timer_stop(&l->save_timer);
    inquiry_cancel(&l->inquiry);
    uplink_stop_heartbeat(&l->uplink);
    if (l->state != LINK_SESSION) {
        leave(l);
        return;
    }
    set_state(l, LINK_DRAINING);
    set_timer(l, LINK_DRAIN_MS, on_drain_timeout);
    session_stop(l->session, &l->session_stopped, on_session_stopped);
}
