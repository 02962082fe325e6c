#include "docker/model/container.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define MAX_ENV          5000
#define NEVER_STARTED    "\"0001-01-01T00:00:00Z\""
#define MAX_STARTED_AT   64
#define MAX_POLICY_TEXT  256
#define MAX_DIGESTS_TEXT ((size_t)64 << 10)

static bool is_object(struct json_span v)
{
    return v.n >= 2 && v.p[0] == '{';
}

static bool has_members(struct json_span object)
{
    struct json_iter it;
    struct json_span key, value;

    json_iter_init(&it, object);
    return json_iter_next(&it, &key, &value);
}

int container_element_read(struct json_span element, struct container_element *ret)
{
    struct container_element e = {0};
    struct json_iter it;
    struct json_span key, value;

    json_iter_init(&it, element);
    while (json_iter_next(&it, &key, &value)) {
        if (json_span_is(key, "Id")) {
            (void)json_span_copy_string(value, e.id, sizeof(e.id)); /* checked below */
        } else if (json_span_is(key, "ImageID")) {
            (void)json_span_copy_string(value, e.image_id, sizeof(e.image_id)); /* may be "" */
        } else if (json_span_is(key, "StartedAt")) {
            e.has_started_at = true;
        } else if (json_span_is(key, "Env")) {
            e.has_env = true;
        } else if (json_span_is(key, "RepoDigests")) {
            e.has_digests = true;
        } else if (json_span_is(key, "HostConfig") && is_object(value) && has_members(value) &&
                   json_span_find(value, "RestartPolicy").n == 0) {
            e.host_config = value;
        }
    }
    if (!it.is_object || !str_is_hex(e.id, 64))
        return -EBADMSG;
    *ret = e;
    return 0;
}

/* Splits one "NAME=value": both without the outer quotes, including escapes. */
struct env {
    struct json_span name, value;
};

static bool env_split(struct json_span item, struct env *ret)
{
    const char *sign;

    if (item.n < 2 || item.p[0] != '"')
        return false;
    item = (struct json_span){item.p + 1, item.n - 2};
    sign = memchr(item.p, '=', item.n);
    ret->name = (struct json_span){item.p, sign ? (size_t)(sign - item.p) : item.n};
    ret->value = (struct json_span){"", 0};
    if (sign)
        ret->value = (struct json_span){sign + 1, item.n - ret->name.n - 1};
    return true;
}

static size_t env_find(const struct env *envs, size_t n, struct json_span name)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (envs[i].name.n == name.n && memcmp(envs[i].name.p, name.p, name.n) == 0)
            break;
    }
    return i;
}

static void append_span(struct buf *b, struct json_span s)
{
    int r = buf_append(b, s.p, s.n);

    assert(r == 0); /* the buffers contain parts of a text in memory */
}

static void append_text(struct buf *b, const char *s)
{
    append_span(b, (struct json_span){s, strlen(s)});
}

char *container_inspect_env(struct json_span inspect)
{
    struct json_span list = json_span_find(json_span_find(inspect, "Config"), "Env");
    struct buf b = BUF_INIT(list.n * 3 + 16);
    _cleanup_free_ struct env *envs = NULL;
    size_t n = 0, capacity = 0;
    struct json_iter it;
    struct json_span key, item;
    struct env e;

    json_iter_init(&it, list);
    while (n < MAX_ENV && json_iter_next(&it, &key, &item)) {
        size_t i;

        if (!env_split(item, &e))
            continue;
        i = env_find(envs, n, e.name);
        if (i == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            envs = xrealloc(envs, capacity, sizeof(*envs));
        }
        envs[i] = e;
        n += i == n;
    }
    append_text(&b, "{");
    for (size_t i = 0; i < n; i++) {
        append_text(&b, i ? ",\"" : "\"");
        append_span(&b, envs[i].name);
        append_text(&b, "\":\"");
        append_span(&b, envs[i].value);
        append_text(&b, "\"");
    }
    append_text(&b, "}");
    /* The names were values until now, and two spellings of one name are one key. */
    if (json_scan_check(b.data, b.size, NULL) > 0) {
        b.size = json_scan_mend(b.data, b.size);
        b.data[b.size] = '\0';
    }
    return buf_take(&b);
}

char *container_inspect_started_at(struct json_span inspect)
{
    struct json_span at = json_span_find(json_span_find(inspect, "State"), "StartedAt");

    if (at.n <= 2 || at.n > MAX_STARTED_AT || at.p[0] != '"' || json_span_is(at, NEVER_STARTED))
        return NULL;
    return xstrndup(at.p, at.n);
}

char *container_inspect_restart_policy(struct json_span inspect)
{
    struct json_span policy = json_span_find(json_span_find(inspect, "HostConfig"),
                                             "RestartPolicy");

    return is_object(policy) && policy.n <= MAX_POLICY_TEXT ? xstrndup(policy.p, policy.n) : NULL;
}

const char *container_inspect_oom_killed(struct json_span inspect)
{
    static const char *const texts[] = {"true", "false"};
    struct json_span killed = json_span_find(json_span_find(inspect, "State"), "OOMKilled");

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (json_span_is(killed, texts[i]))
            return texts[i];
    }
    return NULL;
}

bool container_inspect_has_tty(struct json_span inspect)
{
    return json_span_is(json_span_find(json_span_find(inspect, "Config"), "Tty"), "true");
}

bool container_inspect_is_running(struct json_span inspect)
{
    return json_span_is(json_span_find(json_span_find(inspect, "State"), "Running"), "true");
}

int64_t container_inspect_time(struct json_span inspect, const char *key)
{
    struct json_span at = json_span_find(json_span_find(inspect, "State"), key);
    char text[64];
    int64_t ns;

    return json_span_copy_string(at, text, sizeof(text)) && time_parse_ns(text, &ns) == 0 ? ns : 0;
}

/* The words of engines differ in the states of containers that are not running. */
static enum container_summary_state read_state(struct json_span state)
{
    if (json_span_is(state, "\"running\""))
        return CONTAINER_RUNNING;
    return json_span_is(state, "\"paused\"") ? CONTAINER_PAUSED : CONTAINER_ENDED;
}

/* "": it is longer than names can be, or no text. */
static const char *read_name(struct json_span value, char text[256])
{
    if (!json_span_copy_string(value, text, 256))
        text[0] = '\0';
    return text[0] == '/' ? text + 1 : text;
}

void container_inspect_summary(struct json_span inspect, struct container_summary *ret)
{
    char text[256];

    ret->state = read_state(json_span_find(json_span_find(inspect, "State"), "Status"));
    str_copy(ret->name, sizeof(ret->name), read_name(json_span_find(inspect, "Name"), text));
}

bool container_element_is(struct json_span element, const struct container_summary *summary)
{
    struct json_span key, item;
    struct json_iter it;
    char text[256];

    if (read_state(json_span_find(element, "State")) != summary->state)
        return false;
    json_iter_init(&it, json_span_find(element, "Names"));
    while (json_iter_next(&it, &key, &item)) {
        if (str_eq(read_name(item, text), summary->name))
            return true;
    }
    return summary->name[0] == '\0';
}

char *image_inspect_digests(struct json_span inspect)
{
    struct json_span list = json_span_find(inspect, "RepoDigests");

    if (list.n < 2 || list.n > MAX_DIGESTS_TEXT || list.p[0] != '[')
        return xstrdup("[]");
    return xstrndup(list.p, list.n);
}
