#include "member.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/random.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/auth.h"
#include "proto/json_text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MAX_MESSAGE   ((size_t)4 << 20)
#define MAX_QUEUE     ((size_t)16 << 20)
#define PART_SIZE     400 /* containers in a part of a snapshot: well below 1 MiB */
#define RETRY_MS      1000
#define RETRY_DOUBLES 5 /* up to 32 s, with full jitter */
#define NS_PER_S      INT64_C(1000000000)

static void set_state(struct member *m, enum member_state to)
{
    m->fleet->n_in_state[m->state]--;
    m->fleet->n_in_state[to]++;
    m->state = (uint8_t)to;
}

static int64_t utc_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* Texts ---------------------------------------------------------------------------------------- */

static void add(struct buf *b, const char *fmt, ...) _printf_(2, 3);

static void add(struct buf *b, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    assert(n >= 0 && (size_t)n < sizeof(text)); /* all texts of this file are short */
    n = buf_append(b, text, (size_t)n);
    assert(n == 0);
}

void member_container_id(const struct member *m, uint64_t n, char ret[SAMPLES_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t head = (uint64_t)m->index << 24 | n;

    /* Written without printf: samples need hundreds of thousands of ids per second. */
    memset(ret, '0', SAMPLES_ID_SIZE - 1);
    for (int i = 11; i >= 0; i--, head >>= 4)
        ret[i] = digits[head & 15];
    memcpy(ret + SAMPLES_ID_SIZE - 1 - 4, "5eed", 5);
}

static void add_container_id(struct buf *b, const struct member *m, uint64_t n)
{
    char id[SAMPLES_ID_SIZE];

    member_container_id(m, n, id);
    add(b, "%s", id);
}

/* Adds about as many members as a container of a Compose project has. */
static void add_container(struct buf *b, const struct member *m, uint64_t n, bool is_running)
{
    add(b, "{\"Id\":\"");
    add_container_id(b, m, n);
    add(b,
        "\",\"Names\":[\"/app-%" PRIu64 "\"],\"Image\":\"registry.example/team/app:1.%" PRIu64 "\","
        "\"ImageID\":\"sha256:%064" PRIx64
        "\",\"Command\":\"/docker-entrypoint.sh serve --port 8080\","
        "\"Created\":1700000000,\"State\":\"%s\",\"Status\":\"%s\",\"StartedAt\":\"2026-01-31T12:00:00Z\",",
        n, n % 10, n % 10, is_running ? "running" : "exited",
        is_running ? "Up 3 hours" : "Exited (0) 2 seconds ago");
    add(b,
        "\"Labels\":{\"com.docker.compose.project\":\"shop\",\"com.docker.compose.service\":\"app-%" PRIu64
        "\",\"com.docker.compose.version\":\"2.24.6\",\"maintainer\":\"team@example.org\"},"
        "\"Ports\":[{\"IP\":\"0.0.0.0\",\"PrivatePort\":8080,\"PublicPort\":%" PRIu64
        ",\"Type\":\"tcp\"},{\"IP\":\"::\",\"PrivatePort\":8080,\"PublicPort\":%" PRIu64
        ",\"Type\":\"tcp\"}],",
        n, 20000 + n, 20000 + n);
    add(b,
        "\"Mounts\":[{\"Type\":\"volume\",\"Name\":\"data-%" PRIu64
        "\",\"Destination\":\"/var/lib/app\",\"RW\":true}],"
        "\"Env\":{\"PATH\":\"/usr/local/bin:/usr/bin:/bin\",\"PORT\":\"8080\",\"DATABASE_URL\":"
        "\"postgres://app:secret@db/app\"},\"RepoDigests\":[\"registry.example/team/app@sha256:%064" PRIx64
        "\"],",
        n, n % 10);
    add(b,
        "\"NetworkSettings\":{\"Networks\":{\"shop_default\":{\"IPAddress\":\"172.18.%" PRIu64
        ".%" PRIu64
        "\"}}},\"HostConfig\":{\"NetworkMode\":\"shop_default\",\"RestartPolicy\":{\"Name\":\"always\"}}}",
        n / 250 % 250, n % 250 + 2);
}

static void send(struct member *m, struct buf *b)
{
    if (ws_send_text(m->ws, b->data, b->size) < 0)
        log_debug(NULL, "member %" PRIu32 ": a message of %zu bytes is lost", m->index, b->size);
    buf_done(b);
}

static void send_register(struct member *m)
{
    struct buf b = BUF_INIT(MAX_MESSAGE);

    add(&b,
        "{\"type\":\"register\",\"token\":\"%s\",\"engine_id\":\"%s-engine-%" PRIu32
        "\",\"version\":\"0.1.0\",\"proto_version\":\"1.0\",\"hostname\":\"%s-%" PRIu32 "\",",
        m->token[0] ? m->token : m->fleet->registration_token, m->fleet->prefix, m->index,
        m->fleet->prefix, m->index);
    add(&b,
        "\"capabilities\":{\"container_operations\":true,\"container_updates\":false,"
        "\"event_streaming\":true,\"stats_collection\":true,\"self_update\":false,"
        "\"inventory\":true,\"event_replay\":true,\"pause\":true,\"samples\":%s},",
        m->fleet->has_samples ? "true" : "false");
    add(&b,
        "\"os_type\":\"linux\",\"os_version\":\"Debian GNU/Linux 12 (bookworm)\","
        "\"kernel_version\":\"6.1.0-18-amd64\",\"docker_version\":\"25.0.3\","
        "\"daemon_started_at\":\"2026-01-31T12:00:00Z\",\"total_memory\":8321499136,\"num_cpus\":4,"
        "\"agent_os\":\"linux\",\"agent_arch\":\"amd64\",\"host_ip\":\"192.0.2.7\","
        "\"host_ips\":[\"192.0.2.7\"]}");
    send(m, &b);
}

static void send_snapshot(struct member *m)
{
    uint64_t n = 0, part = 0, total = m->fleet->n_containers;

    do {
        uint64_t end = n + PART_SIZE < total ? n + PART_SIZE : total;
        struct buf b = BUF_INIT(MAX_MESSAGE);

        add(&b,
            "{\"type\":\"event\",\"command\":\"inventory_snapshot\",\"payload\":{\"snapshot_id\":\"s\","
            "\"part\":%" PRIu64 ",\"last\":%s,\"containers\":[",
            part++, end == total ? "true" : "false");
        for (uint64_t first = n; n < end; n++) {
            add(&b, "%s", n > first ? "," : "");
            add_container(&b, m, n, true);
        }
        add(&b, "]}}");
        send(m, &b);
    } while (n < total);
}

bool member_report_event(struct member *m, uint64_t n)
{
    struct buf event = BUF_INIT(MAX_MESSAGE), delta = BUF_INIT(MAX_MESSAGE);
    int64_t now_ns = utc_ns();
    char time[TIME_TEXT_SIZE];
    uint64_t container;
    bool is_running;

    if (m->state != MEMBER_ONLINE || m->fleet->n_containers == 0)
        return false;
    container = n % m->fleet->n_containers;
    is_running = n / m->fleet->n_containers % 2 != 0;
    add(&event,
        "{\"type\":\"event\",\"command\":\"container_event\",\"payload\":{\"container_id\":\"");
    add_container_id(&event, m, container);
    add(&event,
        "\",\"container_name\":\"app-%" PRIu64
        "\",\"image\":\"registry.example/team/app:1\",\"action\":\"%s\","
        "\"timestamp\":\"%s\",\"attributes\":{\"name\":\"app-%" PRIu64 "\"},\"time_nano\":%" PRId64
        "}}",
        container, is_running ? "start" : "die", time_format_ns(now_ns, time), container, now_ns);
    send(m, &event);
    add(&delta,
        "{\"type\":\"event\",\"command\":\"inventory_delta\",\"payload\":{\"removed\":[],\"containers\":[");
    add_container(&delta, m, container, is_running);
    add(&delta, "]}}");
    send(m, &delta);
    m->fleet->n_events++;
    return true;
}

/* Commands ------------------------------------------------------------------------------------- */

/* A pending operation. Its member stays, but may have another connection when it is done. */
struct operation {
    struct loop_timer timer;
    struct member *member;
    struct ws *ws;
    char *reply;
};

static void on_operation_done(struct loop_timer *t)
{
    struct operation *op = CONTAINER_OF(t, struct operation, timer);

    if (op->member->ws == op->ws && ws_send_text(op->ws, op->reply, strlen(op->reply)) < 0)
        log_debug(NULL, "member %" PRIu32 ": a reply is lost", op->member->index);
    free(op->reply);
    free(op);
}

static char *make_reply(struct member *m, const json_t *message, const char *id)
{
    const json_t *payload = json_object_get(message, "payload");
    const char *container = json_text_get(payload, "container_id");
    const char *command = json_text_get(message, "command");

    if (str_eq(json_text_get(message, "type"), "container_operation")) {
        m->fleet->n_commands++;
        return xasprintf("{\"correlation_id\":\"%s\",\"success\":true,\"container_id\":\"%s\","
                         "\"status\":\"done\",\"logs\":\"\",\"container\":{}}",
                         id, container ? container : "");
    }
    return xasprintf("{\"type\":\"response\",\"id\":\"%s\",\"payload\":%s}", id,
                     str_eq(command, "list_containers") ? "[]" : "{\"status\":\"pong\"}");
}

static void on_command(struct member *m, const json_t *message)
{
    const char *id = json_text_get(message, "id");
    struct operation *op;

    if (!id)
        return;
    op = xcalloc(1, sizeof(*op));
    op->member = m;
    op->ws = m->ws;
    op->reply = make_reply(m, message, id);
    loop_timer_start(m->fleet->loop, &op->timer, m->fleet->reply_ms, on_operation_done);
}

/* The connection ------------------------------------------------------------------------------- */

static void on_heartbeat(struct loop_timer *t)
{
    static const char text[] = "{\"type\":\"heartbeat\"}";
    struct member *m = CONTAINER_OF(t, struct member, timer);

    if (ws_send_text(m->ws, text, strlen(text)) < 0)
        log_debug(NULL, "member %" PRIu32 ": a heartbeat is lost", m->index);
    loop_timer_start(m->fleet->loop, &m->timer, m->fleet->heartbeat_ms, on_heartbeat);
}

static void on_auth_success(struct member *m, const json_t *message)
{
    _cleanup_(msg_auth_success_done) struct msg_auth_success success = {0};

    if (msg_auth_success_decode(message, &success, NULL) < 0)
        return;
    if (success.permanent_token)
        str_copy(m->token, sizeof(m->token), success.permanent_token);
    m->attempts = 0;
    set_state(m, MEMBER_ONLINE);
    send_snapshot(m);
    if (m->fleet->heartbeat_ms) {
        loop_timer_start(m->fleet->loop, &m->timer, random_below(m->fleet->heartbeat_ms),
                         on_heartbeat);
    }
}

static void on_samples_ack(struct member *m, const json_t *message)
{
    struct msg_samples_ack ack;

    if (msg_samples_ack_decode(message, &ack, NULL) < 0 || ack.seq <= m->acked || ack.seq > m->seq)
        return;
    m->fleet->n_acked += ack.seq - m->acked;
    m->acked = ack.seq;
}

static void on_open(void *owner)
{
    struct member *m = owner;

    set_state(m, MEMBER_JOINING);
    send_register(m);
}

static void on_message(void *owner, const char *data, size_t size, bool is_binary)
{
    struct member *m = owner;
    json_t *message = is_binary ? NULL : json_text_parse(data, size, 0, NULL);
    const char *type = json_text_get(message, "type");

    if (str_eq(type, "auth_success")) {
        on_auth_success(m, message);
    } else if (str_eq(type, "samples_ack")) {
        on_samples_ack(m, message);
    } else if (str_eq(type, "auth_error")) {
        if (m->fleet->n_refused++ == 0)
            log_warn(NULL, "refused: %s", json_text_get(message, "error"));
    } else {
        on_command(m, message);
    }
    json_decref(message);
}

static void on_close(void *owner, const struct ws_close *why)
{
    struct member *m = owner;

    if (m->fleet->n_lost++ == 0)
        log_warn(NULL, "the first connection is lost: %u %s", why->code, why->reason);
    m->ws = NULL;
    loop_timer_stop(&m->timer);
    set_state(m, MEMBER_IDLE);
    if (m->attempts < RETRY_DOUBLES)
        m->attempts++;
    member_dial_after(m, random_below((uint64_t)RETRY_MS << m->attempts));
}

static const struct ws_handler handler = {
    .on_open = on_open,
    .on_message = on_message,
    .on_close = on_close,
};

static void on_dial(struct loop_timer *t)
{
    struct member *m = CONTAINER_OF(t, struct member, timer);
    struct error err = ERROR_INIT;
    const struct ws_dial dial = {
        .url = m->fleet->url,
        .is_insecure = m->fleet->is_insecure,
        .connect_timeout_ms = 30000,
        .limits = {.max_message = MAX_MESSAGE, .max_queue = MAX_QUEUE},
        .handler = &handler,
        .owner = m,
    };

    if (ws_connect(&m->ws, m->fleet->loop, &dial, &err) < 0) {
        log_error(NULL, "%s", err.msg);
        member_dial_after(m, RETRY_MS);
        return;
    }
    set_state(m, MEMBER_DIALLING);
}

void member_init(struct member *m, struct fleet *f, uint32_t index)
{
    *m = (struct member){.fleet = f, .index = index, .state = MEMBER_IDLE};
    f->n_in_state[MEMBER_IDLE]++;
}

void member_dial_after(struct member *m, uint64_t delay_ms)
{
    assert(m->state == MEMBER_IDLE);
    loop_timer_start(m->fleet->loop, &m->timer, delay_ms, on_dial);
}

void member_drop(struct member *m)
{
    loop_timer_stop(&m->timer);
    ws_free(TAKE_PTR(m->ws));
    set_state(m, MEMBER_IDLE);
}

void member_done(struct member *m)
{
    member_drop(m);
}
