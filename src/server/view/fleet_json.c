#include "server/view/fleet_json.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "server/fleet/scope_view.h"
#include "server/fleet/staleness.h"
#include "server/view/agent_json.h"
#include "server/view/container_json.h"
#include "server/view/json_values.h"

#include <stdlib.h>
#include <string.h>

static const char *get_connection_name(enum host_connection c)
{
    switch (c) {
    case HOST_LOCAL: return "local";
    case HOST_REMOTE: return "remote";
    case HOST_AGENT: return "agent";
    }
    return "agent";
}

/* 0 means unknown, which is shown as null. */
static json_t *make_number_or_null(int64_t n)
{
    return n > 0 ? json_integer(n) : json_null();
}

/* The members that do not change while the host only sends samples. */
static json_t *make_shown_json(const struct fleet_host *h)
{
    const struct host *row = &h->row;
    json_t *ips = json_value_column(row->host_ips, json_array());
    json_t *o = json_pack("{s:s, s:o, s:o, s:s, s:s, s:s?}", "id", row->id, "name",
                          json_value_string(row->name), "url", json_value_string(row->url),
                          "connection_type", get_connection_name(row->connection), "status",
                          h->is_online ? "online" : "offline", "security_status",
                          row->connection == HOST_AGENT ? "secure" : NULL);
    const struct {
        const char *name;
        const char *value;
    } texts[] = {
        {"error",             h->trouble            },
        {"description",       row->description      },
        {"os_type",           row->os_type          },
        {"os_version",        row->os_version       },
        {"kernel_version",    row->kernel_version   },
        {"docker_version",    row->docker_version   },
        {"daemon_started_at", row->daemon_started_at},
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        (void)json_object_set_new(o, texts[i].name, json_value_string(texts[i].value));
    (void)json_object_set_new(o, "tags", json_value_column(row->tags, json_array()));
    (void)json_object_set_new(o, "total_memory", make_number_or_null(row->total_memory));
    (void)json_object_set_new(o, "num_cpus", make_number_or_null(row->num_cpus));
    (void)json_object_set_new(o, "is_podman", json_boolean(row->is_podman));
    (void)json_object_set(o, "host_ip",
                          json_array_size(ips) ? json_array_get(ips, 0) : json_null());
    (void)json_object_set_new(o, "host_ips", ips);
    return o;
}

static void append(struct buf *out, const char *text, size_t size)
{
    (void)buf_append(out, text, size); /* buffers of lists have no limit */
}

static void append_text(struct buf *out, const char *text)
{
    append(out, text, strlen(text));
}

/* Refreshes the cached texts of the host and its agent, each without its closing brace. */
static void show_host(struct fleet_host *h)
{
    struct buf text = BUF_INIT(SIZE_MAX / 2);
    struct fleet_text part;
    json_t *agent = agent_json_of_host(h);

    free(h->shown.text);
    json_open_text(&part, make_shown_json(h));
    append(&text, part.text, part.size);
    append_text(&text, ",\"agent\":");
    free(part.text);
    if (json_is_object(agent)) {
        (void)json_object_del(agent, "last_seen_at");
        json_open_text(&part, agent);
        append(&text, part.text, part.size);
        free(part.text);
    } else {
        json_decref(agent);
        append_text(&text, "null");
    }
    h->shown.size = text.size;
    h->shown.text = buf_take(&text);
    h->shown_version = h->version;
}

static void write_host(struct buf *out, struct fleet_host *h, const struct scope_view *view)
{
    static const struct fleet_sample none;

    if (!h->shown.text || h->shown_version != h->version)
        show_host(h);
    append(out, h->shown.text, h->shown.size);
    if (h->agent.id) {
        json_append_time(out, "last_seen_at", h->seen_at_ms);
        append_text(out, "}");
    }
    json_append_time(out, "last_checked", h->containers_at_ms);
    json_append_time(out, "stale_since", fleet_host_stale_since(h));
    host_source_write(out,
                      ",\"metrics_source\":", scope_view_host_samples(view) ? &h->sample : &none);
    (void)buf_printf(out, ",\"container_count\":%zu,\"running_count\":%zu}",
                     scope_view_count(view, h, false), scope_view_count(view, h, true));
}

void fleet_host_write_in(struct buf *out, struct fleet_host *h, const struct scope *scope)
{
    struct scope_view view;

    scope_view_host(scope, h, &view);
    write_host(out, h, &view);
}

static int compare_names(const void *a, const void *b)
{
    const struct fleet_host *const *x = a, *const *y = b;

    return strcasecmp((*x)->row.name ? (*x)->row.name : "", (*y)->row.name ? (*y)->row.name : "");
}

bool fleet_hosts_write_in(struct buf *out,
                          const struct fleet *f,
                          const struct scope *scope,
                          size_t max)
{
    const struct map *hosts = fleet_hosts(f);
    _cleanup_free_ struct fleet_host **sorted = xcalloc(hosts->size, sizeof(struct fleet_host *));
    size_t n = 0, begin = out->size;
    bool is_full = false;

    map_foreach(hosts, e) {
        if (scope_allows_host(scope, e->value))
            sorted[n++] = e->value;
    }
    qsort(sorted, n, sizeof(struct fleet_host *), compare_names);
    append_text(out, "[");
    for (size_t i = 0; i < n && !is_full; i++) {
        size_t before = out->size;

        append_text(out, i ? "," : "");
        fleet_host_write_in(out, sorted[i], scope);
        is_full = max && out->size - begin > max;
        if (is_full)
            buf_truncate(out, before);
    }
    append_text(out, "]");
    return !is_full;
}

static int compare_containers(const void *a, const void *b)
{
    const struct fleet_container *const *x = a, *const *y = b;

    return strcmp((*x)->name ? (*x)->name : "", (*y)->name ? (*y)->name : "");
}

/* The array that is being written. */
struct array {
    struct buf *out;
    const struct fleet_selection *of;
    size_t begin;
    bool is_full; /* a container was left out because of the maximum */
};

/* Sorted by name; the caller frees the list. */
static struct fleet_container **select_containers(const struct fleet_host *h,
                                                  const struct scope *scope,
                                                  size_t *ret_n)
{
    static const struct scope everything;
    struct fleet_container **list = xcalloc(h->containers.size, sizeof(struct fleet_container *));
    struct scope_view view;
    size_t n = 0;

    scope_view_host(scope ? scope : &everything, h, &view);
    map_foreach(&h->containers, e) {
        if (scope_view_container(&view, e->value))
            list[n++] = e->value;
    }
    qsort(list, n, sizeof(struct fleet_container *), compare_containers);
    *ret_n = n;
    return list;
}

static void append_host(struct array *a, struct fleet_host *h)
{
    size_t n;
    _cleanup_free_ struct fleet_container **list = select_containers(h, a->of->scope, &n);
    struct buf host = BUF_INIT(SIZE_MAX / 2);

    if (n > 0)
        container_host_write(&host, h);
    for (size_t i = 0; i < n && !a->is_full; i++) {
        size_t before = a->out->size;

        if (a->out->data[before - 1] != '[')
            append_text(a->out, ",");
        container_write(a->out, &host, list[i], h, a->of->with_secrets);
        a->is_full = a->of->max && a->out->size - a->begin > a->of->max;
        if (a->is_full || (a->of->max_container && a->out->size - before > a->of->max_container))
            buf_truncate(a->out, before);
    }
    buf_done(&host);
}

bool fleet_containers_write_in(struct buf *out,
                               const struct fleet *f,
                               const struct fleet_selection *selection)
{
    const char *host_id = selection->host_id;
    struct array a = {.out = out, .of = selection, .begin = out->size};

    append_text(out, "[");
    map_foreach(fleet_hosts(f), e) {
        struct fleet_host *h = e->value;

        if (a.is_full)
            break;
        if (h->containers.size > 0 && (str_is_empty(host_id) || str_eq(host_id, h->row.id)))
            append_host(&a, h);
    }
    append_text(out, "]");
    return !a.is_full;
}
