#include "agent/session/session.h"
#include "agent/commands/commands.h"
#include "agent/commands/unsupported.h"
#include "agent/common/guard.h"
#include "agent/common/sender.h"
#include "agent/inventory/event_feed.h"
#include "agent/inventory/inventory.h"
#include "agent/logs/session_logs.h"
#include "agent/session/report.h"
#include "agent/shell/shells.h"
#include "agent/update/self_feed.h"
#include "agent/update/update_feed.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/envelope.h"
#include "proto/json_text.h"
#include "proto/notice.h"

#include <errno.h>

#define MAX_VALUES          100000 /* of a message of the server; real ones have less than 5,000 */
#define DEFAULT_MAX_MESSAGE ((size_t)8 << 20)

struct session {
    struct session_options options;
    struct events_listener events;
    struct sender sender;
    struct guard *guard;
    struct commands *commands;
    struct shells *shells;
    struct session_logs *logs;
    struct event_feed *feed;
    struct inventory *inventory;
    struct report *report; /* NULL: no statistics */
    struct update_feed *update_feed;
    struct self_feed *self_feed; /* NULL: the server does not know it */
    struct completion_wait commands_drained, killer_drained;
    struct completion stopped;
};

static void on_event(struct events_listener *l, const struct event *e)
{
    struct session *session = CONTAINER_OF(l, struct session, events);

    event_feed_pump(session->feed);
    session_logs_on_event(session->logs, e);
    if (session->inventory)
        inventory_pump(session->inventory);
}

static void on_gap(struct events_listener *l, const struct events *ev)
{
    struct session *session = CONTAINER_OF(l, struct session, events);

    (void)ev;
    if (session->inventory)
        inventory_resync(session->inventory);
    session_logs_on_gap(session->logs);
}

static void on_trouble(struct events_listener *l, const struct events *ev)
{
    const struct session *session = CONTAINER_OF(l, struct session, events);
    struct msg_engine_state m = {.error = (char *)(uintptr_t)events_trouble(ev)};
    int r;

    if (!session->options.wants_engine_state)
        return;
    r = sender_send(&session->sender,
                    envelope_event("engine_state", msg_engine_state_encode(&m), time_utc_ms()));
    if (r < 0)
        log_warn(NULL, "could not send the state of the engine: %s", error_text(r));
}

struct session *session_new(const struct session_options *o)
{
    struct session *session = xcalloc(1, sizeof(*session));

    session->options = *o;
    session->options.channel = NULL;
    session->sender = (struct sender){
        .send = o->send,
        .queued = o->queued,
        .owner = o->owner,
        .max_message = o->max_message ? o->max_message : DEFAULT_MAX_MESSAGE,
        .sends_codes = o->wants_codes,
    };
    session->guard = guard_new(o->policy, o->own_container);
    session->commands = commands_new(&(struct commands_options){.loop = o->loop,
                                                                .engine = o->engine,
                                                                .facts = o->facts,
                                                                .guard = session->guard,
                                                                .network_undo = o->network_undo,
                                                                .updates = o->updates,
                                                                .self_update = o->self_update,
                                                                .inventory = &session->inventory,
                                                                .sender = session->sender});
    session->shells = shells_new(&(struct shells_options){.engine = o->engine,
                                                          .killer = o->killer,
                                                          .guard = session->guard,
                                                          .sender = session->sender});
    session->logs = session_logs_new(&(struct session_logs_options){
        .engine = o->engine, .guard = session->guard, .sender = session->sender});
    session->feed = event_feed_new(
        &(struct event_feed_options){.engine = o->engine,
                                     .events = o->events,
                                     .sender = &session->sender,
                                     .is_replay = o->wants_event_replay,
                                     .since_ns = o->events_since_ns,
                                     /* receipts of batches have other numbers */
                                     .ask_receipt = o->sink ? NULL : o->ask_receipt,
                                     .owner = o->owner});
    if (o->wants_inventory) {
        session->inventory = inventory_new(&(struct inventory_options){.engine = o->engine,
                                                                       .facts = o->facts,
                                                                       .events = o->events,
                                                                       .sender = &session->sender});
    }
    if (o->collector) {
        session->report = report_new(&(struct report_options){
            .collector = o->collector,
            .spool = o->spool,
            .has = o->samples_has,
            .sender = &session->sender,
            .sink = o->sink,
            .channel = o->channel,
        });
    }
    if (o->updates) {
        session->update_feed = update_feed_new(&(struct update_feed_options){
            .updates = o->updates, .sender = &session->sender, .sends_records = o->wants_updates});
    }
    if (o->self_update && o->wants_self_update)
        session->self_feed = self_feed_new(o->self_update, &session->sender);
    session->events = (struct events_listener){
        .on_event = on_event, .on_gap = on_gap, .on_trouble = on_trouble};
    events_add_listener(o->events, &session->events);
    if (events_trouble(o->events))
        on_trouble(&session->events, o->events);
    return session;
}

/* Ends the parts that send without a request. */
static void stop_pushing(struct session *session)
{
    events_remove_listener(&session->events);
    event_feed_free(TAKE_PTR(session->feed));
    inventory_free(TAKE_PTR(session->inventory));
    report_free(TAKE_PTR(session->report));
    update_feed_free(TAKE_PTR(session->update_feed));
    self_feed_free(TAKE_PTR(session->self_feed));
}

void session_free(struct session *session)
{
    if (!session)
        return;
    completion_cancel(&session->commands_drained);
    completion_cancel(&session->killer_drained);
    completion_done(&session->stopped);
    commands_free(session->commands); /* before the inventory, whose end would answer some */
    stop_pushing(session);
    shells_free(session->shells);
    session_logs_free(session->logs);
    guard_free(session->guard);
    free(session);
}

/* A rotation concerns the link, so neither the policy nor other commands delay or refuse it. */
static bool is_token_rotation(const struct session *session, const struct msg_command *m)
{
    return session->options.rotate_token && m->operation == OPERATION_TOKEN_ROTATE;
}

static void rotate_token(struct session *session, const struct msg_command *m)
{
    const struct reply_to to = {m->kind, m->id};
    const char *token = json_text_get(m->payload, "permanent_token");
    struct error err = ERROR_INIT;
    json_t *fields;

    if (session->options.rotate_token(session->options.owner, token ? token : "", &err) < 0) {
        log_error(NULL, "could not replace the permanent token: %s", err.msg);
        sender_reply_error(
            &session->sender, to,
            &(struct reply_error){.text = err.msg, .status = 409, .code = CODE_CONFLICT});
        return;
    }
    log_info(NULL, "the permanent token was replaced by the server");
    fields = json_object();
    json_text_set(fields, "status", json_text_str("rotated"));
    sender_reply(&session->sender, to, fields);
}

/* The server sends its checks in every session; the first message of a process is enough. */
static void warn_of_health_checks(const struct session *session)
{
    bool *has_warned = session->options.has_warned_of_checks;

    if (has_warned && !*has_warned) {
        log_warn(NULL,
                 "the server asks for HTTP health checks by this agent, which does not support "
                 "them: they are not carried out; let the server check instead");
        *has_warned = true;
    }
}

void session_on_message(struct session *session, const char *text, size_t size)
{
    struct error err = ERROR_INIT;
    json_auto_t *v = json_text_parse_small(text, size, MAX_VALUES, &err);
    struct msg_command m;
    int r;

    if (!v) {
        log_warn(NULL, "invalid message from the server: %s", err.msg);
        return;
    }
    if (str_eq(envelope_type(v), "shell_session")) {
        shells_on_message(session->shells, envelope_payload(v));
        return;
    }
    if (str_eq(envelope_type(v), "log_stream")) {
        session_logs_on_message(session->logs, envelope_payload(v));
        return;
    }
    if (str_eq(envelope_type(v), "stats_rate")) {
        if (session->report)
            report_on_rate(session->report, envelope_payload(v));
        return;
    }
    if (str_eq(envelope_type(v), "samples_ack")) {
        if (session->report)
            report_on_ack(session->report, v);
        return;
    }
    if (unsupported_is_health_check(envelope_type(v))) {
        warn_of_health_checks(session);
        return;
    }
    r = msg_command_decode(v, &m, &err);
    if (r == 0 && is_token_rotation(session, &m)) {
        rotate_token(session, &m);
    } else if (r == 0) {
        commands_submit(session->commands, &m);
    } else if (r == -ENOMSG) {
        log_debug(LOG_FIELDS("type", envelope_type(v)), "ignoring message of unknown type");
    } else {
        log_warn(LOG_FIELDS("id", m.id), "malformed command: %s", err.msg);
        sender_reply_error(&session->sender, (struct reply_to){m.kind, m.id},
                           &(struct reply_error){.text = err.msg, .code = error_code_of(&err)});
    }
    msg_command_done(&m);
}

void session_on_receipt(struct session *session, uint64_t number)
{
    if (session->report)
        report_on_receipt(session->report, number);
    if (session->feed)
        event_feed_on_receipt(session->feed, number);
}

static void on_killer_drained(struct completion_wait *w)
{
    struct session *session = CONTAINER_OF(w, struct session, killer_drained);

    completion_signal(&session->stopped, session->options.loop);
}

static void on_commands_drained(struct completion_wait *w)
{
    struct session *session = CONTAINER_OF(w, struct session, commands_drained);

    exec_killer_drain(session->options.killer, &session->killer_drained, on_killer_drained);
}

void session_stop(struct session *session, struct completion_wait *w, completion_fn fn)
{
    completion_await(&session->stopped, w, fn);
    stop_pushing(session);
    shells_close(session->shells);
    session_logs_close(session->logs);
    commands_drain(session->commands, &session->commands_drained, on_commands_drained);
}
