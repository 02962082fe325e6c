#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "proto/reply.h"
#include "server/fleet/scope_view.h"
#include "server/logs/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ACK_STEP ((size_t)32 * 1024)
#define EXCESS_MAX \
    ((size_t)1 << 20) /* more than window and this is an agent that does not keep to it */
#define START_MS     20000
#define SUCCESSOR_MS 10000 /* that long a container of the same name is waited for */
#define RETRY_MS     1000
#define NOTES_BURST  100
#define NOTES_PER_S  2

static const char *const state_names[] = {"looking", "starting", "live", "polling", "ended"};

void source_set_state(struct log_source *s, enum source_state state)
{
    assert(s->state != SOURCE_ENDED);
    if (state != s->state) {
        log_debug(LOG_FIELDS("container", s->ref), "log source: %s -> %s", state_names[s->state],
                  state_names[state]);
    }
    s->state = state;
}

static void look(struct log_source *s);

static void on_look(struct loop_timer *t)
{
    look(CONTAINER_OF(t, struct log_source, timer));
}

/* --- the stream of an agent --------------------------------------------------------------------- */

static int tell_agent(const struct log_source *s, const char *action, json_t *fields)
{
    json_t *message = msg_log_stream_encode(s->stream_id, action, fields);
    size_t size;
    _cleanup_free_ char *text = json_text_write(message, &size);

    json_decref(message);
    return sessions_send(s->owner->o.sessions, s->agent_id, text, size);
}

/* Forgets the stream that is open, and tells the agent if it may still know of it. */
static void close_stream(struct log_source *s, bool tells)
{
    loop_timer_stop(&s->timer);
    source_poll_stop(s);
    if (s->stream_id[0] && tells && tell_agent(s, "stop", NULL) < 0)
        log_debug(LOG_FIELDS("stream", s->stream_id), "the agent is gone, and its stream with it");
    if (s->stream_id[0])
        (void)map_remove(&s->owner->by_id, s->stream_id);
    s->stream_id[0] = '\0';
    s->n_current = s->n_acked = 0;
}

static void on_start_timeout(struct loop_timer *t)
{
    struct log_source *s = CONTAINER_OF(t, struct log_source, timer);

    if (s->is_started) {
        close_stream(s, true);
        source_retry(s, RETRY_MS);
    } else {
        source_end(s, CODE_TIMEOUT, "error", "The agent did not answer in time");
    }
}

static json_t *start_fields(const struct log_source *s)
{
    json_t *fields = json_pack("{s:s, s:I}", "container_id", s->container_id, "window",
                               (json_int_t)LOG_SOURCE_WINDOW);
    char text[LOG_POSITION_TEXT_SIZE];

    if (s->is_ready) {
        json_text_set(fields, "position", json_string(log_position_format(&s->position, text)));
    } else {
        json_text_set(fields, "tail", json_integer(s->o.tail));
    }
    if (s->since)
        json_text_set(fields, "since", json_string(s->since));
    if (s->until)
        json_text_set(fields, "until", json_string(s->until));
    if (s->o.no_out)
        json_text_set(fields, "stdout", json_false());
    if (s->o.no_err)
        json_text_set(fields, "stderr", json_false());
    return fields;
}

static void open_stream(struct log_source *s)
{
    random_uuid(s->stream_id);
    (void)map_put(&s->owner->by_id, s->stream_id, s); /* a fresh random id */
    source_set_state(s, SOURCE_STARTING);
    loop_timer_start(s->owner->o.loop, &s->timer, START_MS, on_start_timeout);
    if (tell_agent(s, "start", start_fields(s)) < 0) {
        close_stream(s, false);
        source_retry(s, RETRY_MS);
    }
}

void source_started(struct log_source *s)
{
    bool was_away = s->is_away;

    s->is_away = s->is_seeking = false;
    s->seek_until_ms = 0;
    if (was_away)
        s->o.handler->on_mark(s->o.owner, "back", "the log goes on");
    if (!s->is_started)
        s->o.handler->on_started(s->o.owner);
    s->is_started = true;
}

/* --- where the container is --------------------------------------------------------------------- */

void source_end(struct log_source *s, enum error_code code, const char *reason, const char *message)
{
    const struct log_source_end end = {code, reason, message};

    close_stream(s, true);
    source_set_state(s, SOURCE_ENDED);
    s->o.handler->on_end(s->o.owner, &end); /* s is gone now */
}

static void source_end_default(struct log_source *s, enum error_code code)
{
    source_end(s, code, "error", error_code_sentence(code));
}

void source_retry(struct log_source *s, uint64_t ms)
{
    source_set_state(s, SOURCE_LOOKING);
    loop_timer_start(s->owner->o.loop, &s->timer, ms, on_look);
}

static void on_no_successor(struct loop_timer *t)
{
    struct log_source *s = CONTAINER_OF(t, struct log_source, timer);
    _cleanup_free_ char *message = xasprintf("container %s was removed", s->name);

    source_end(s, CODE_NONE, "removed", message);
}

void source_gone(struct log_source *s)
{
    close_stream(s, false);
    str_copy(s->gone_id, sizeof(s->gone_id), s->container_id);
    source_set_state(s, SOURCE_LOOKING);
    s->is_seeking = true;
    loop_timer_start(s->owner->o.loop, &s->timer, 0, on_look);
}

static void wait_for_host(struct log_source *s, const struct fleet_host *h)
{
    _cleanup_free_ char *message = xasprintf("host %s is offline", h->row.name);

    close_stream(s, false);
    if (!s->o.waits && !s->is_started) {
        source_end(s, CODE_HOST_OFFLINE, "error", message);
        return;
    }
    source_set_state(s, SOURCE_LOOKING);
    if (!s->is_away)
        s->o.handler->on_mark(s->o.owner, "away", message);
    s->is_away = true;
}

static bool is_candidate(const struct log_source *s,
                         const struct fleet_host *h,
                         const struct fleet_container *c)
{
    return c && !str_eq(c->id, s->gone_id) && scope_allows_container(s->o.scope, h, c);
}

/* The container that was watched, else the one that has its name now; NULL: none. */
static struct fleet_container *find_container(const struct log_source *s,
                                              const struct fleet_host *h)
{
    struct fleet_container *c = s->container_id[0] ? map_find(&h->containers, s->container_id)
                                                   : NULL;

    if (is_candidate(s, h, c))
        return c;
    c = NULL;
    if (fleet_find_container(h, s->name ? s->name : s->ref, &c) < 0 || !is_candidate(s, h, c))
        return NULL;
    return c;
}

static void take_container(struct log_source *s, const struct fleet_container *c)
{
    bool is_other = s->container_id[0] && !str_eq(s->container_id, c->id);
    _cleanup_free_ char *message = NULL;

    str_copy(s->container_id, sizeof(s->container_id), c->id);
    if (!s->name)
        s->name = xstrdup(c->name);
    if (!is_other)
        return;
    s->position = (struct log_position){0}; /* all that it has said is new */
    s->is_ready = true;
    message = xasprintf("container %s is another one now: %.12s", s->name, c->id);
    s->o.handler->on_mark(s->o.owner, "recreated", message);
}

static bool has_list(const struct fleet_host *h)
{
    return h->is_online && h->containers_at_ms;
}

static void on_missing(struct log_source *s)
{
    uint64_t now_ms = time_monotonic_ms();

    if (!s->container_id[0]) {
        source_end_default(s, CODE_NO_SUCH_CONTAINER);
        return;
    }
    if (!s->is_seeking || !s->seek_until_ms)
        s->seek_until_ms = now_ms + SUCCESSOR_MS;
    s->is_seeking = true;
    loop_timer_start(s->owner->o.loop, &s->timer,
                     s->seek_until_ms > now_ms ? s->seek_until_ms - now_ms : 0, on_no_successor);
}

/* s may be gone afterwards. */
static void look(struct log_source *s)
{
    const struct fleet_host *h = fleet_find_host(s->owner->o.fleet, s->host_id);
    const struct fleet_container *c;

    if (s->owner->is_stopping) {
        source_end(s, CODE_UNAVAILABLE, "stopped", "Server is stopping");
    } else if (!h || !scope_allows_host(s->o.scope, h)) {
        source_end_default(s, CODE_NO_SUCH_HOST);
    } else if (!h->agent.id) {
        source_end_default(s, CODE_NO_AGENT);
    } else if (!has_list(h)) {
        wait_for_host(s, h);
    } else if (!(c = find_container(s, h))) {
        on_missing(s);
    } else if (s->n_outstanding >= LOG_SOURCE_WINDOW) {
        s->is_blocked = true;
    } else {
        s->is_blocked = false;
        free(s->host_name);
        s->host_name = xstrdup(h->row.name);
        str_copy(s->agent_id, sizeof(s->agent_id), h->agent.id);
        take_container(s, c);
        loop_timer_stop(&s->timer);
        if (fleet_host_can(h, LOG_STREAM_CAPABILITY)) {
            open_stream(s);
        } else {
            source_poll_start(s);
        }
    }
}

/* --- from the agent ----------------------------------------------------------------------------- */

void source_give(struct log_source *s, const struct msg_log_line *line)
{
    const struct log_source_line out = {*line, line->size + LOG_STREAM_LINE_COST};

    log_position_add(&s->position, line->kind, line->time_ns);
    s->n_outstanding += out.cost;
    s->n_current += out.cost;
    s->o.handler->on_line(s->o.owner, &out);
}

static void on_note(struct log_source *s, const struct msg_log_line *line)
{
    bool is_restart = str_eq(line->text, "restarted");

    s->n_current += line->size + LOG_STREAM_LINE_COST;
    s->n_outstanding += line->size + LOG_STREAM_LINE_COST;
    /* Nobody acknowledges marks, so a flood of them would have no end. */
    if (bucket_take(&s->notes, NOTES_BURST, NOTES_PER_S, time_monotonic_ms())) {
        s->o.handler->on_mark(s->o.owner, is_restart ? "restarted" : "engine",
                              is_restart ? "the container was started again" : line->text);
    }
    log_source_ack(s, line->size + LOG_STREAM_LINE_COST);
}

static void on_lines(struct log_source *s, const struct msg_log_data *m)
{
    size_t i;
    const json_t *v;

    if (s->state != SOURCE_LIVE)
        return;
    s->is_ready = true;
    json_array_foreach(m->lines, i, v)
    {
        struct msg_log_line line;

        if (msg_log_line_read(v, &line) < 0) /* they were checked */
            continue;
        if (line.kind == LOG_KIND_NOTE) {
            on_note(s, &line);
        } else {
            source_give(s, &line);
        }
    }
    if (s->n_outstanding > LOG_SOURCE_WINDOW + EXCESS_MAX) {
        source_end(s, CODE_BAD_REPLY, "error", "The agent sends more than it may");
    } else {
        s->o.handler->on_batch(s->o.owner);
    }
}

/* s may be gone afterwards. */
static void on_error(struct log_source *s, const struct msg_log_data *m)
{
    const char *why = str_is_empty(m->error) ? "The agent reports an error" : m->error;
    enum error_code reason = reply_failure_code(&(struct reply_failure){
        .code = m->code, .type = m->error_type, .status = (int)m->status, .text = why});

    close_stream(s, false);
    if (reason == CODE_POLICY_DENIED) {
        source_end(s, reason, "error", why);
    } else if (m->status == 404 && s->is_started) {
        source_gone(s);
    } else if (s->is_started && (m->status == 0 || m->status >= 500)) {
        if (!s->is_away)
            s->o.handler->on_mark(s->o.owner, "away", why);
        s->is_away = true;
        source_retry(s, RETRY_MS * UINT64_C(5));
    } else {
        source_end(s, reason, "error", why);
    }
}

static void on_closed(struct log_source *s, const struct msg_log_data *m)
{
    if (str_eq(m->reason, "gone")) {
        source_gone(s);
    } else if (str_eq(m->reason, "until")) {
        close_stream(s, false);
        source_end(s, CODE_NONE, "until", "");
    } else {
        close_stream(s, false);
        source_retry(s, RETRY_MS);
    }
}

static void on_data(struct log_source *s, const struct msg_log_data *m)
{
    if (s->state == SOURCE_STARTING && str_eq(m->action, "started")) {
        loop_timer_stop(&s->timer);
        source_set_state(s, SOURCE_LIVE);
        source_started(s);
    } else if (str_eq(m->action, "lines")) {
        on_lines(s, m);
    } else if (str_eq(m->action, "closed")) {
        on_closed(s, m);
    } else if (str_eq(m->action, "error")) {
        on_error(s, m);
    }
}

void log_source_ack(struct log_source *s, size_t cost)
{
    size_t old = s->n_outstanding - s->n_current; /* of streams before this one: they come first */
    size_t current = cost > old ? cost - old : 0;

    assert(cost <= s->n_outstanding);
    s->n_outstanding -= cost;
    s->n_current -= current;
    s->n_acked += current;
    if (s->state == SOURCE_POLLING)
        source_poll_acked(s);
    if (s->state == SOURCE_LIVE && s->n_acked >= ACK_STEP &&
        tell_agent(s, "ack", json_pack("{s:I}", "bytes", (json_int_t)s->n_acked)) == 0)
        s->n_acked = 0;
    if (s->is_blocked && s->n_outstanding < LOG_SOURCE_WINDOW)
        loop_timer_start(s->owner->o.loop, &s->timer, 0, on_look);
}

/* --- life --------------------------------------------------------------------------------------- */

const char *log_cursor_format(const char *container_id,
                              const struct log_position *p,
                              char ret[LOG_CURSOR_SIZE])
{
    char position[LOG_POSITION_TEXT_SIZE];

    (void)snprintf(ret, LOG_CURSOR_SIZE, "%s:%s", container_id, log_position_format(p, position));
    return ret;
}

int log_cursor_parse(const char *cursor, char ret_id[CONTAINER_ID_SIZE], struct log_position *ret)
{
    char id[CONTAINER_ID_SIZE];

    str_copy(id, sizeof(id), cursor);
    if (!str_is_hex(id, CONTAINER_ID_SIZE - 1) || cursor[CONTAINER_ID_SIZE - 1] != ':' ||
        log_position_parse(cursor + CONTAINER_ID_SIZE, ret) < 0)
        return -EINVAL;
    str_copy(ret_id, CONTAINER_ID_SIZE, id);
    return 0;
}

int log_source_new(struct log_source **ret,
                   struct log_sources *ss,
                   const struct log_source_options *o,
                   struct error *err)
{
    struct log_source *s = xcalloc(1, sizeof(*s));

    if (!str_is_empty(o->cursor)) {
        if (log_cursor_parse(o->cursor, s->container_id, &s->position) < 0) {
            free(s);
            return error_set(err, -EINVAL, "the cursor is none of ours");
        }
        s->is_ready = true;
    }
    s->owner = ss;
    s->o = *o;
    s->host_id = xstrdup(o->host_id);
    s->ref = xstrdup(o->container);
    s->name = str_is_empty(o->cursor) ? NULL : xstrdup(o->container);
    s->since = str_is_empty(o->since) ? NULL : xstrdup(o->since);
    s->until = str_is_empty(o->until) ? NULL : xstrdup(o->until);
    if ((s->since && time_parse_ns(s->since, &s->since_ns) < 0) ||
        (s->until && time_parse_ns(s->until, &s->until_ns) < 0))
        s->since_ns = 0; /* the agent says what is wrong */
    list_init(&s->link);
    list_append(&ss->list, &s->link);
    loop_timer_start(ss->o.loop, &s->timer, 0, on_look);
    *ret = s;
    return 0;
}

void log_source_free(struct log_source *s)
{
    if (!s)
        return;
    close_stream(s, true);
    list_unlink(&s->link);
    free(s->host_id);
    free(s->host_name);
    free(s->ref);
    free(s->name);
    free(s->since);
    free(s->until);
    free(s);
}

const char *log_source_container_id(const struct log_source *s)
{
    return s->container_id;
}

const char *log_source_name(const struct log_source *s)
{
    return s->name ? s->name : s->ref;
}

const char *log_source_host(const struct log_source *s)
{
    return s->host_name ? s->host_name : "";
}

const char *log_source_host_id(const struct log_source *s)
{
    return s->host_id;
}

char *log_source_target(const struct log_source *s)
{
    return xasprintf("%s/%s", log_source_host(s), log_source_name(s));
}

struct log_sources *log_sources_new(const struct log_sources_options *o)
{
    struct log_sources *ss = xcalloc(1, sizeof(*ss));

    ss->o = *o;
    log_readings_init(&ss->readings, o->store, o->store_jobs);
    list_init(&ss->list);
    return ss;
}

struct log_readings *log_sources_readings(struct log_sources *ss)
{
    return &ss->readings;
}

void log_sources_stop(struct log_sources *ss)
{
    struct list *next;

    ss->is_stopping = true;
    for (struct list *l = ss->list.next; l != &ss->list; l = next) {
        next = l->next;
        source_end(CONTAINER_OF(l, struct log_source, link), CODE_UNAVAILABLE, "stopped",
                   "Server is stopping");
    }
}

void log_sources_free(struct log_sources *ss)
{
    if (!ss)
        return;
    assert(list_empty(&ss->list));
    map_done(&ss->by_id);
    log_readings_done(&ss->readings);
    free(ss);
}

void log_sources_on_data(struct log_sources *ss, const char *agent_id, const json_t *payload)
{
    struct msg_log_data m;
    struct error err = ERROR_INIT;
    struct log_source *s;

    if (msg_log_data_decode(payload, &m, &err) < 0) {
        log_warn(LOG_FIELDS("agent", agent_id), "%s", err.msg);
        return;
    }
    s = map_find(&ss->by_id, m.stream_id);
    if (s && str_eq(s->agent_id, agent_id)) {
        on_data(s, &m);
    } else {
        log_debug(LOG_FIELDS("agent", agent_id, "stream", m.stream_id), "no such log stream");
    }
    msg_log_data_done(&m);
}

void log_sources_on_agent_gone(struct log_sources *ss, const char *agent_id)
{
    for (struct list *l = ss->list.next; l != &ss->list; l = l->next) {
        struct log_source *s = CONTAINER_OF(l, struct log_source, link);

        if (s->state == SOURCE_LOOKING || !str_eq(s->agent_id, agent_id))
            continue;
        close_stream(s, false);
        source_retry(s, 0); /* where it finds out whether the host is offline */
    }
}

void log_sources_on_host(struct log_sources *ss, const char *host_id)
{
    for (struct list *l = ss->list.next; l != &ss->list; l = l->next) {
        struct log_source *s = CONTAINER_OF(l, struct log_source, link);

        if (s->state == SOURCE_LOOKING && str_eq(s->host_id, host_id) &&
            (s->is_away || s->is_seeking) && !(s->is_away && loop_timer_is_running(&s->timer)))
            loop_timer_start(ss->o.loop, &s->timer, 0, on_look);
    }
}
