#include "server/view/container_json.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/common/tag_list.h"
#include "server/fleet/host_settings.h"
#include "server/fleet/staleness.h"
#include "server/rights/secret_fields.h"
#include "server/view/json_values.h"

#include <stdio.h>
#include <string.h>

#define COMPOSE_PROJECT "com.docker.compose.project"
#define COMPOSE_SERVICE "com.docker.compose.service"

static const char *get_text(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static json_t *copy_or(const json_t *o, const char *name, json_t *fallback /* takes ownership */)
{
    json_t *v = json_object_get(o, name);

    if (!v || json_is_null(v))
        return fallback;
    json_decref(fallback);
    return json_incref(v);
}

/* "8080:80/tcp" for a published port, "80/tcp" for one that is only exposed. A port published for
 * IPv4 and IPv6 is listed once. */
static json_t *make_ports_json(const json_t *raw)
{
    const json_t *ports = json_object_get(raw, "Ports");
    json_t *list = json_array();

    for (size_t i = 0; i < json_array_size(ports); i++) {
        const json_t *p = json_array_get(ports, i);
        json_int_t inside = json_integer_value(json_object_get(p, "PrivatePort"));
        json_int_t outside = json_integer_value(json_object_get(p, "PublicPort"));
        const char *type = get_text(p, "Type");
        char port[64];
        bool is_known = false;

        if (outside) {
            (void)snprintf(port, sizeof(port), "%lld:%lld/%s", outside, inside,
                           type ? type : "tcp");
        } else {
            (void)snprintf(port, sizeof(port), "%lld/%s", inside, type ? type : "tcp");
        }
        for (size_t k = 0; k < json_array_size(list) && !is_known; k++)
            is_known = str_eq(json_string_value(json_array_get(list, k)), port);
        if (!is_known)
            (void)json_array_append_new(list, json_value_string(port));
    }
    return list;
}

static json_t *make_volumes_json(const json_t *raw)
{
    const json_t *mounts = json_object_get(raw, "Mounts");
    json_t *list = json_array();

    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *m = json_array_get(mounts, i);
        const char *source = get_text(m, "Name") ? get_text(m, "Name") : get_text(m, "Source");
        const char *target = get_text(m, "Destination");
        _cleanup_free_ char *volume = xasprintf(
            "%s:%s%s", source ? source : "", target ? target : "",
            json_is_false(json_object_get(m, "RW")) ? ":ro" : "");

        (void)json_array_append_new(list, json_text_str(volume));
    }
    return list;
}

/* Returns the mounts in short: the list as the engine sends it has members that nobody asks for. */
static json_t *make_mounts_json(const json_t *raw)
{
    static const char *const members[][2] = {
        {"type",        "Type"       },
        {"name",        "Name"       },
        {"source",      "Source"     },
        {"destination", "Destination"}
    };
    const json_t *mounts = json_object_get(raw, "Mounts");
    json_t *list = json_array();

    for (size_t i = 0; i < json_array_size(mounts); i++) {
        json_t *o = json_object();

        for (size_t k = 0; k < ARRAY_LEN(members); k++) {
            const char *text = get_text(json_array_get(mounts, i), members[k][1]);

            (void)json_object_set_new(o, members[k][0], json_text_str(text ? text : ""));
        }
        (void)json_array_append_new(list, o);
    }
    return list;
}

/* Returns the ids of all networks by name, also of those without an address. */
static json_t *make_networks_json(const json_t *raw)
{
    const json_t *networks = json_object_get(json_object_get(raw, "NetworkSettings"), "Networks");
    json_t *ids = json_object();
    const char *name;
    json_t *network;

    json_object_foreach((json_t *)(uintptr_t)networks, name, network)
    {
        const char *id = get_text(network, "NetworkID");

        (void)json_object_set_new(ids, name, json_text_str(id ? id : ""));
    }
    return ids;
}

static void append_tag(json_t *tags, const char *prefix, const char *value)
{
    _cleanup_free_ char *tag = str_is_empty(value) ? NULL : xasprintf("%s%s", prefix, value);

    if (tag)
        (void)json_array_append_new(tags, json_text_str(tag));
}

json_t *container_derived_tags(const struct fleet_container *c)
{
    const json_t *labels = c->labels;
    _cleanup_free_ char *own = xstrdup(get_text(labels, "dockmon.tag"));
    json_t *tags = json_array(), *unique;
    char *rest = own;

    append_tag(tags, "compose:", get_text(labels, COMPOSE_PROJECT));
    append_tag(tags, "swarm:", get_text(labels, "com.docker.swarm.service.name"));
    while (rest) {
        char *tag = strsep(&rest, ",");

        append_tag(tags, "", str_trim(tag));
    }
    unique = tag_list_merge(tags, NULL, NULL);
    json_decref(tags);
    return unique;
}

json_t *container_tags(const struct fleet_host *h, const struct fleet_container *c)
{
    json_t *derived = container_derived_tags(c);
    json_t *tags = tag_list_merge(host_settings_find(h, c, CONTAINER_TAGS), derived, NULL);

    json_decref(derived);
    return tags;
}

static void set_addresses(json_t *o, const json_t *raw)
{
    const json_t *networks = json_object_get(json_object_get(raw, "NetworkSettings"), "Networks");
    json_t *ips = json_object();
    const char *first = NULL;
    const char *name;
    const json_t *network;

    json_object_foreach((json_t *)(uintptr_t)networks, name, network)
    {
        const char *ip = get_text(network, "IPAddress");

        if (str_is_empty(ip))
            continue;
        (void)json_object_set_new(ips, name, json_text_str(ip));
        if (!first)
            first = ip;
    }
    (void)json_object_set_new(o, "docker_ip", json_value_string(first));
    (void)json_object_set_new(o, "docker_ips", ips);
}

static void append(struct buf *out, const char *text, size_t size)
{
    (void)buf_append(out, text, size); /* the buffer of the list has no limit */
}

/* `key` is the text before the value. Written for speed: a list of thousands of containers has ten
 * of these values each. */
static void append_percent(struct buf *out, const char *key, double v)
{
    append(out, key, strlen(key));
    if (v >= 0) {
        (void)buf_printf(out, "%.6g", v);
    } else {
        append(out, "null", strlen("null"));
    }
}

static void append_count(struct buf *out, const char *key, int64_t v)
{
    append(out, key, strlen(key));
    if (v >= 0) {
        (void)buf_append_i64(out, v);
    } else {
        append(out, "null", strlen("null"));
    }
}

/* A sample without values writes null for every member. */
void container_sample_write(struct buf *out, const struct fleet_sample *s)
{
    struct fleet_sample none = {0};

    if (!s->sampled_at_ms) {
        fleet_sample_clear(&none);
        s = &none;
    }
    append_percent(out, ",\"cpu_percent\":", s->cpu_percent);
    append_count(out, ",\"memory_usage\":", s->memory_usage);
    append_count(out, ",\"memory_limit\":", s->memory_limit);
    append_percent(out, ",\"memory_percent\":", s->memory_percent);
    append_count(out, ",\"network_rx\":", s->network_rx);
    append_count(out, ",\"network_tx\":", s->network_tx);
    append_count(out, ",\"disk_read\":", s->disk_read);
    append_count(out, ",\"disk_write\":", s->disk_write);
    append_count(out, ",\"pids\":", s->pids);
    append_count(out, ",\"net_bytes_per_sec\":",
                 s->net_bytes_per_sec < 0 ? -1 : (int64_t)s->net_bytes_per_sec);
}

void host_source_write(struct buf *out, const char *key, const struct fleet_sample *s)
{
    static const char *const names[] = {"\"agent\"", "\"containers\""};
    const char *name = s->sampled_at_ms && !s->is_expired ? names[s->is_derived] : "null";

    append(out, key, strlen(key));
    append(out, name, strlen(name));
}

void host_sample_write(struct buf *out,
                       const char *percent_key,
                       const char *bytes_key,
                       const struct fleet_sample *s)
{
    append_percent(out, "\"cpu_percent\":", s->cpu_percent);
    append_percent(out, percent_key, s->memory_percent);
    append_count(out, bytes_key, s->memory_usage);
    append_count(out, ",\"net_bytes_per_sec\":",
                 s->net_bytes_per_sec < 0 ? -1 : (int64_t)s->net_bytes_per_sec);
    host_source_write(out, ",\"source\":", s);
}

/* Manifest and platform of the image, which engines with the containerd store name. */
static json_t *make_manifest_json(const json_t *raw)
{
    const json_t *descriptor = json_object_get(raw, "ImageManifestDescriptor");

    if (!json_is_object(descriptor))
        return json_null();
    return json_pack("{s:o, s:o}", "digest", json_value_string(get_text(descriptor, "digest")),
                     "platform", copy_or(descriptor, "platform", json_null()));
}

static json_t *make_shown_json(const struct fleet_container *c, const json_t *raw)
{
    const char *policy = get_text(
        json_object_get(json_object_get(raw, "HostConfig"), "RestartPolicy"), "Name");
    json_t *o = json_object();

    (void)json_object_set_new(o, "id", json_stringn(c->id, CONTAINER_SHORT_ID_LEN));
    (void)json_object_set_new(o, "full_id", json_string(c->id));
    (void)json_object_set_new(o, "short_id", json_stringn(c->id, CONTAINER_SHORT_ID_LEN));
    (void)json_object_set_new(o, "name", json_value_string(c->name));
    (void)json_object_set_new(o, "engine_state", json_value_string(c->engine_state));
    (void)json_object_set_new(o, "status_text", json_value_string(get_text(raw, "Status")));
    (void)json_object_set_new(o, "image", json_value_string(get_text(raw, "Image")));
    (void)json_object_set_new(o, "image_id", json_value_string(get_text(raw, "ImageID")));
    (void)json_object_set_new(o, "created", json_value_time(c->created_s * 1000));
    (void)json_object_set_new(o, "started_at", json_value_string(get_text(raw, "StartedAt")));
    (void)json_object_set_new(o, "ports", make_ports_json(raw));
    (void)json_object_set_new(o, "ports_raw", copy_or(raw, "Ports", json_array()));
    (void)json_object_set_new(o, "restart_policy", json_value_string(policy));
    (void)json_object_set_new(o, "volumes", make_volumes_json(raw));
    (void)json_object_set_new(o, "mounts", make_mounts_json(raw));
    (void)json_object_set_new(o, "networks", make_networks_json(raw));
    (void)json_object_set_new(o, "labels", c->labels ? json_incref(c->labels) : json_object());
    (void)json_object_set_new(o, "compose_project",
                              json_value_string(get_text(c->labels, COMPOSE_PROJECT)));
    (void)json_object_set_new(o, "compose_service",
                              json_value_string(get_text(c->labels, COMPOSE_SERVICE)));
    (void)json_object_set_new(o, "repo_digests", copy_or(raw, "RepoDigests", json_array()));
    (void)json_object_set_new(o, "image_manifest", make_manifest_json(raw));
    set_addresses(o, raw);
    return o;
}

static void make_text(struct fleet_text *t, json_t *v /* takes ownership */)
{
    t->text = json_text_write(v, &t->size);
    json_decref(v);
}

void json_open_text(struct fleet_text *ret, json_t *o)
{
    make_text(ret, o);
    ret->text[--ret->size] = '\0';
}

void container_host_write(struct buf *out, struct fleet_host *h)
{
    if (!h->named.text || h->named_version != h->version) {
        free(h->named.text);
        json_open_text(&h->named,
                       json_pack("{s:s, s:o, s:b, s:o}", "host_id", h->row.id, "host_name",
                                 json_value_string(h->row.name), "host_online", h->is_online,
                                 "host_error", json_value_string(h->trouble)));
        h->named.text[0] = ','; /* it continues an open object */
        h->named_version = h->version;
    }
    append(out, h->named.text, h->named.size);
    json_append_time(out, "confirmed_at", h->containers_at_ms);
    json_append_time(out, "stale_since", fleet_containers_stale_since(h));
}

void container_encode(struct fleet_container *c)
{
    json_auto_t *element = NULL;

    if (c->shown.text)
        return;
    element = fleet_container_element(c);
    json_open_text(&c->shown, make_shown_json(c, element));
    json_open_text(&c->secrets, json_pack("{s:o, s:o}", "command",
                                          json_value_string(get_text(element, "Command")), "env",
                                          copy_or(element, "Env", json_object())));
    c->secrets.text[0] = ','; /* it continues an open object */
    fleet_container_forget_element(c);
}

/* Creates the text of what users have set, unless the container has it. */
static void encode_settings(const struct fleet_host *h, struct fleet_container *c)
{
    const json_t *restart, *desired, *url;
    const char *state;

    if (c->settings.text)
        return;
    restart = host_settings_find(h, c, CONTAINER_AUTO_RESTART);
    desired = host_settings_find(h, c, CONTAINER_DESIRED_STATE);
    url = host_settings_find(h, c, CONTAINER_WEB_UI_URL);
    state = get_text(desired, "desired_state");
    json_open_text(&c->settings,
                   json_pack("{s:b, s:i, s:o, s:o, s:o}", "auto_restart",
                             json_is_true(json_object_get(restart, "enabled")), "restart_attempts",
                             0, "desired_state", json_text_str(state ? state : "unspecified"),
                             "web_ui_url", json_value_string(get_text(url, "url")), "tags",
                             container_tags(h, c)));
    c->settings.text[0] = ','; /* it continues an open object */
}

/*
 * Appends the state, which is unknown while the host is offline. As in DockMon, the status of a
 * container that was never started is exited. The names of states need no escapes.
 */
static void write_state(struct buf *out, const struct fleet_container *c, bool is_online)
{
    const char *status = str_eq(c->state, "created") ? "exited" : c->state;

    if (is_online) {
        (void)buf_printf(out, ",\"state\":\"%s\",\"status\":\"%s\",\"last_state\":null", c->state,
                         status);
    } else {
        (void)buf_printf(out, ",\"state\":\"unknown\",\"status\":\"unknown\",\"last_state\":\"%s\"",
                         c->state);
    }
}

bool container_secrets_are_visible(enum role role)
{
    return secret_field_is_visible(SECRET_ENV, role) &&
           secret_field_is_visible(SECRET_COMMAND, role);
}

void container_write(struct buf *out,
                     const struct buf *host,
                     struct fleet_container *c,
                     const struct fleet_host *h,
                     bool with_secrets)
{
    static const char hidden[] = ",\"command\":null,\"env\":null";

    container_encode(c);
    append(out, c->shown.text, c->shown.size);
    encode_settings(h, c);
    append(out, c->settings.text, c->settings.size);
    write_state(out, c, h->is_online);
    append(out, host->data, host->size);
    append(out, with_secrets ? c->secrets.text : hidden,
           with_secrets ? c->secrets.size : strlen(hidden));
    container_sample_write(out, &c->sample);
    append(out, "}", 1);
}
