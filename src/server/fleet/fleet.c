#include "server/fleet/fleet.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/container.h"
#include "proto/json_text.h"
#include "server/fleet/element.h"
#include "server/fleet/host_settings.h"

#define MAX_REMOVED_HOSTS 1000 /* remembered for the feed */
#define MAX_NET_RATE      1e11 /* bytes per second; a higher rate is a jump of a counter */

struct fleet {
    struct map hosts;  /* host id -> struct fleet_host */
    struct map agents; /* agent id -> the same objects */
    struct strings removed_hosts;
    bool is_removed_cut;
    size_t max_containers;
    struct fleet_cost budget;
    char own_container[CONTAINER_ID_SIZE];
    struct listeners listeners;
};

static void container_free(struct fleet_container *c)
{
    if (!c)
        return;

    free(c->name);
    free(c->state);
    free(c->engine_state);
    free(c->element);
    json_decref(c->labels);
    free(c->image);
    free(c->shown.text);
    free(c->secrets.text);
    free(c->settings.text);
    free(c);
}
DEFINE_CLEANUP(struct fleet_container *, container_free);

static void fleet_host_free(struct fleet_host *h)
{
    if (!h)
        return;

    map_foreach(&h->containers, e)
        container_free(e->value);
    h->budget->used -= h->cost;
    map_done(&h->containers);
    map_order_done(&h->order);
    strings_done(&h->removed);
    free(h->trouble);
    free(h->shown.text);
    free(h->named.text);
    json_decref(h->stats_source);
    json_decref(h->agent_update);
    json_decref(h->migration_candidates);
    host_settings_free(h->settings);
    host_done(&h->row);
    agent_done(&h->agent);
    free(h);
}

struct fleet *fleet_new(void)
{
    struct fleet *f = xcalloc(1, sizeof(*f));

    f->max_containers = FLEET_MAX_CONTAINERS;
    f->budget.max = FLEET_MAX_COST;
    return f;
}

struct listeners *fleet_listeners(struct fleet *f)
{
    return &f->listeners;
}

void fleet_set_max_containers(struct fleet *f, size_t max)
{
    f->max_containers = max;
}

void fleet_set_max_cost(struct fleet *f, size_t bytes)
{
    f->budget.max = bytes;
}

void fleet_set_own_container(struct fleet *f, const char *id)
{
    str_copy(f->own_container, sizeof(f->own_container), id);
}

bool fleet_reserve(struct fleet *f, size_t bytes)
{
    if (bytes > f->budget.max || f->budget.used > f->budget.max - bytes)
        return false;
    f->budget.used += bytes;
    return true;
}

void fleet_release(struct fleet *f, size_t bytes)
{
    f->budget.used -= bytes;
}

void fleet_free(struct fleet *f)
{
    if (!f)
        return;

    listeners_done(&f->listeners);
    map_foreach(&f->hosts, e)
        fleet_host_free(e->value);
    map_done(&f->hosts);
    map_done(&f->agents);
    strings_done(&f->removed_hosts);
    free(f);
}

static void copy_host(struct host *to, const struct host *from)
{
    struct host copy = *from;

    copy.id = xstrdup(from->id);
    copy.name = xstrdup(from->name);
    copy.url = xstrdup(from->url);
    copy.replaced_by = xstrdup(from->replaced_by);
    copy.engine_id = xstrdup(from->engine_id);
    copy.tags = xstrdup(from->tags);
    copy.description = xstrdup(from->description);
    copy.os_type = xstrdup(from->os_type);
    copy.os_version = xstrdup(from->os_version);
    copy.kernel_version = xstrdup(from->kernel_version);
    copy.docker_version = xstrdup(from->docker_version);
    copy.daemon_started_at = xstrdup(from->daemon_started_at);
    copy.host_ips = xstrdup(from->host_ips);
    host_done(to);
    *to = copy;
}

static void copy_agent(struct agent *to, const struct agent *from)
{
    struct agent copy = {0};

    if (from) {
        copy = *from;
        copy.id = xstrdup(from->id);
        copy.host_id = xstrdup(from->host_id);
        copy.engine_id = xstrdup(from->engine_id);
        copy.token_hash = xstrdup(from->token_hash);
        copy.version = xstrdup(from->version);
        copy.proto_version = xstrdup(from->proto_version);
        copy.capabilities = xstrdup(from->capabilities);
        copy.joined_with = xstrdup(from->joined_with);
        copy.os = xstrdup(from->os);
        copy.arch = xstrdup(from->arch);
    }
    agent_done(to);
    *to = copy;
}

struct fleet_host *fleet_put_host(struct fleet *f,
                                  const struct host *row,
                                  const struct agent *agent)
{
    struct fleet_host *h = map_find(&f->hosts, row->id);

    if (!h) {
        h = xcalloc(1, sizeof(*h));
        h->max_containers = f->max_containers;
        h->budget = &f->budget;
        h->own_container = f->own_container;
        (void)map_put(&f->hosts, row->id, h); /* replaces nothing */
    }
    if (h->agent.id)
        (void)map_remove(&f->agents, h->agent.id); /* f->hosts owns the object */

    copy_host(&h->row, row);
    copy_agent(&h->agent, agent);
    h->version++;
    if (h->agent.id)
        (void)map_put(&f->agents, h->agent.id, h);
    return h;
}

void fleet_remove_host(struct fleet *f, const char *host_id)
{
    struct fleet_host *h = map_remove(&f->hosts, host_id);

    if (h && h->agent.id)
        (void)map_remove(&f->agents, h->agent.id);
    if (h && f->removed_hosts.n < MAX_REMOVED_HOSTS) {
        strings_add(&f->removed_hosts, h->row.id);
    } else if (h) {
        f->is_removed_cut = true;
    }
    fleet_host_free(h);
}

struct fleet_host *fleet_find_host(const struct fleet *f, const char *host_id)
{
    return map_find(&f->hosts, host_id);
}

struct fleet_host *fleet_find_agent(const struct fleet *f, const char *agent_id)
{
    return map_find(&f->agents, agent_id);
}

const struct map *fleet_hosts(const struct fleet *f)
{
    return &f->hosts;
}

const struct strings *fleet_removed_hosts(const struct fleet *f)
{
    return f->is_removed_cut ? NULL : &f->removed_hosts;
}

void fleet_forget_removed_hosts(struct fleet *f)
{
    strings_done(&f->removed_hosts);
    f->is_removed_cut = false;
}

void fleet_set_online(struct fleet *f _unused_,
                      struct fleet_host *h,
                      bool is_online,
                      int64_t now_ms)
{
    h->version++;
    h->is_online = is_online;
    h->sums.measured_ms = time_monotonic_ms();
    if (is_online)
        h->seen_at_ms = now_ms; /* a lost connection is noticed up to 45 s later: keep the time */
}

void fleet_set_trouble(struct fleet_host *h, const char *trouble)
{
    h->version++;
    free(h->trouble);
    h->trouble = xstrdup(trouble);
}

static const char *get_element_id(const json_t *element)
{
    const char *id = json_string_value(json_object_get(element, "Id"));

    return id && str_is_hex(id, CONTAINER_ID_LEN) ? id : NULL;
}

/* Takes ownership of `text`. */
static struct fleet_container *decode_container(const json_t *element,
                                                char *text,
                                                const struct fleet_container *old)
{
    _cleanup_free_ char *owned = text;
    _cleanup_(msg_container_done) struct msg_container m = {0};
    struct fleet_container *c;
    size_t label_size;

    if (msg_container_decode(element, &m, NULL) < 0)
        return NULL;

    c = xcalloc(1, sizeof(*c));
    str_copy(c->id, sizeof(c->id), m.id);
    condition_read(&c->condition, &m, old ? &old->condition : NULL);
    c->name = TAKE_PTR(m.name);
    c->state = xstrdup(msg_container_state(m.state));
    c->engine_state = m.state ? TAKE_PTR(m.state) : xstrdup("");
    c->created_s = m.created_s;
    c->element = TAKE_PTR(owned);
    c->labels = element_copy_labels(m.labels, &label_size);
    c->cost = strlen(c->element) + label_size;
    c->image = m.image ? TAKE_PTR(m.image) : xstrdup("");
    return c;
}

static void hash_text(const char *text, uint8_t ret[FLEET_DIGEST_SIZE])
{
    (void)crypto_generichash(ret, FLEET_DIGEST_SIZE, (const unsigned char *)text, strlen(text),
                             NULL, 0); /* fails only for wrong sizes */
}

static bool is_same(const struct fleet_container *c, const char *text)
{
    uint8_t digest[FLEET_DIGEST_SIZE];

    if (c->element)
        return str_eq(c->element, text);
    hash_text(text, digest);
    return memcmp(digest, c->element_digest, sizeof(digest)) == 0;
}

/* A container that has ended uses nothing: its last sample would be shown for ever. */
static bool has_processes(const struct fleet_container *c)
{
    return !str_eq(c->state, "exited") && !str_eq(c->state, "restarting") &&
           !str_eq(c->state, "removing");
}

static bool has_room(const struct fleet_host *h, size_t more, size_t less)
{
    return h->cost - less + more <= FLEET_MAX_HOST_COST &&
           h->budget->used - less + more <= h->budget->max;
}

static void charge(struct fleet_host *h, size_t more, size_t less)
{
    h->cost += more - less;
    h->budget->used += more - less;
}

/*
 * Inserts or replaces one element. False: it could not be decoded, or there is no room for it.
 */
static bool put_element(struct fleet_host *h, json_t *received)
{
    _cleanup_(container_freep) struct fleet_container *c = NULL;
    _cleanup_free_ char *text = NULL;
    json_auto_t *small = NULL;
    struct fleet_container *old;
    const char *id = get_element_id(received);
    const json_t *kept = received;
    size_t size;

    text = json_text_write(kept, &size);
    if (size > FLEET_MAX_ELEMENT && json_is_object(kept)) {
        small = element_reduce(received);
        kept = small;
        free(text);
        text = json_text_write(kept, &size);
    }
    old = id ? map_find(&h->containers, id) : NULL;
    if (old && is_same(old, text)) {
        old->is_seen = true;
        return true;
    }
    if (!old && h->containers.size >= h->max_containers)
        return false;

    c = decode_container(kept, TAKE_PTR(text), old);
    if (!c || !has_room(h, c->cost, old ? old->cost : 0))
        return false;

    c->is_seen = true;
    c->is_cut = (old && old->is_cut) ||
                element_warn_of_cut(h, c->id, element_find_cut(received, kept));
    if (old && has_processes(c)) {
        c->sample = old->sample;
        c->own_sample_version = old->own_sample_version;
    }
    c->version = ++h->containers_version;
    (void)map_put(&h->containers, c->id, c); /* replaces `old` */
    charge(h, c->cost, old ? old->cost : 0);
    container_free(old);
    (void)TAKE_PTR(c);
    return true;
}

static size_t put_elements(struct fleet_host *h, const json_t *containers)
{
    size_t i, n_skipped = 0;
    json_t *element;

    json_array_foreach(containers, i, element)
    {
        if (!put_element(h, element))
            n_skipped++;
    }
    return n_skipped;
}

static void remove_container(struct fleet_host *h, const char *id)
{
    struct fleet_container *c = map_remove(&h->containers, id);

    if (!c)
        return;
    charge(h, 0, c->cost);
    h->containers_version++;
    if (h->removed.n < h->max_containers) {
        strings_add(&h->removed, c->id);
    } else {
        h->is_removed_cut = true;
    }
    container_free(c);
}

void fleet_forget_removed(struct fleet_host *h)
{
    strings_done(&h->removed);
    h->is_removed_cut = false;
}

json_t *fleet_container_element(const struct fleet_container *c)
{
    json_t *element;

    assert(c->element);
    element = json_text_parse(c->element, strlen(c->element), 0, NULL);
    assert(element); /* json_text_write() has written the text */
    return element;
}

void fleet_container_forget_element(struct fleet_container *c)
{
    hash_text(c->element, c->element_digest);
    free(TAKE_PTR(c->element));
}

static void remove_unseen(struct fleet_host *h)
{
    _cleanup_free_ char(*gone)[CONTAINER_ID_SIZE] = NULL;
    size_t n = 0;

    if (h->containers.size == 0)
        return;

    /* The map must not change during map_foreach(). */
    gone = xcalloc(h->containers.size, sizeof(*gone));
    map_foreach(&h->containers, e) {
        const struct fleet_container *c = e->value;

        if (!c->is_seen)
            str_copy(gone[n++], sizeof(*gone), c->id);
    }
    for (size_t i = 0; i < n; i++)
        remove_container(h, gone[i]);
}

size_t fleet_apply_snapshot(struct fleet_host *h, const json_t *containers, int64_t now_ms)
{
    size_t n_skipped;

    map_foreach(&h->containers, e)
        ((struct fleet_container *)e->value)->is_seen = false;

    /* Remove first: old containers must not keep new ones out of a full host. */
    if (h->containers.size + json_array_size(containers) > h->max_containers ||
        h->cost > FLEET_MAX_HOST_COST / 2 || h->budget->used > h->budget->max / 2) {
        size_t i;
        json_t *element;

        json_array_foreach(containers, i, element)
        {
            const char *id = get_element_id(element);
            struct fleet_container *c = id ? map_find(&h->containers, id) : NULL;

            if (c)
                c->is_seen = true;
        }
        remove_unseen(h);
    }

    n_skipped = put_elements(h, containers);
    remove_unseen(h);
    h->containers_at_ms = now_ms;
    return n_skipped;
}

size_t fleet_apply_delta(struct fleet_host *h,
                         const json_t *containers,
                         const struct strings *removed,
                         int64_t now_ms)
{
    for (size_t i = 0; removed && i < removed->n; i++)
        remove_container(h, removed->items[i]);
    h->containers_at_ms = now_ms;
    return put_elements(h, containers);
}

/*
 * Computes bytes per second since the previous sample: -1 without one, 0 when a counter was reset
 * or has jumped, the previous rate when no time has passed.
 */
static double compute_net_rate(const struct fleet_sample *old, const struct fleet_sample *s)
{
    double bytes = (double)(s->network_rx - old->network_rx) +
                   (double)(s->network_tx - old->network_tx);
    double seconds = (double)(s->sampled_at_ms - old->sampled_at_ms) / 1000;
    double rate;

    if (s->network_rx < 0 || old->network_rx < 0)
        return -1;
    if (!old->sampled_at_ms || seconds <= 0)
        return old->sampled_at_ms ? old->net_bytes_per_sec : -1;
    rate = bytes / seconds;
    return rate > 0 && rate < MAX_NET_RATE ? rate : 0;
}

/* Replaces a sample; the rate of the network is computed by the caller. */
static void put_sample(struct fleet_sample *old, const struct fleet_sample *s, double net_rate)
{
    int64_t interval_ms = old->sampled_at_ms ? s->sampled_at_ms - old->sampled_at_ms : 0;

    if (interval_ms < 0) /* the clock was set back */
        interval_ms = 0;
    *old = *s;
    old->net_bytes_per_sec = net_rate;
    old->interval_ms = interval_ms < HOUR_MS ? interval_ms : HOUR_MS;
    old->is_expired = false;
}

bool fleet_put_sample(struct fleet_host *h,
                      size_t place,
                      const char *container_id,
                      const struct fleet_sample *s)
{
    struct fleet_container *c = map_find_at(&h->containers, &h->order, place, container_id);

    if (!c && (strlen(container_id) != 12 || fleet_find_container(h, container_id, &c) < 0))
        return false;

    if (!has_processes(c))
        return true; /* it was measured before the end, or the list is a moment behind */
    put_sample(&c->sample, s, compute_net_rate(&c->sample, s));
    c->own_sample_version = ++h->samples_version;
    return true;
}

void fleet_put_host_sample(struct fleet_host *h, const struct fleet_sample *s)
{
    double rate = s->net_bytes_per_sec < 0 ? compute_net_rate(&h->sample, s) : s->net_bytes_per_sec;

    h->version += !h->sample.sampled_at_ms || h->sample.is_derived != s->is_derived;
    put_sample(&h->sample, s, rate);
    h->own_sample_version = ++h->samples_version;
}

void fleet_take_stats_source(struct fleet_host *h, json_t *source)
{
    json_decref(h->stats_source);
    h->stats_source = source;
    h->version++;
}

void fleet_set_candidates(struct fleet_host *h, const json_t *candidates)
{
    json_decref(h->migration_candidates);
    h->migration_candidates = candidates ? json_deep_copy(candidates) : NULL;
}

static struct fleet_container *find_by_name(const struct fleet_host *h, const char *name)
{
    map_foreach(&h->containers, e) {
        struct fleet_container *c = e->value;

        if (str_eq(c->name, name))
            return c;
    }
    return NULL;
}

bool fleet_host_can(const struct fleet_host *h, const char *capability)
{
    json_auto_t *map = h->agent.capabilities ? json_loads(h->agent.capabilities, 0, NULL) : NULL;

    return json_is_true(json_object_get(map, capability));
}

int fleet_find_container(const struct fleet_host *h, const char *ref, struct fleet_container **ret)
{
    struct fleet_container *found;

    if (str_is_empty(ref))
        return -ENOENT;

    found = map_find(&h->containers, ref);
    if (!found)
        found = find_by_name(h, *ref == '/' ? ref + 1 : ref);
    if (found) {
        *ret = found;
        return 0;
    }

    map_foreach(&h->containers, e) {
        struct fleet_container *c = e->value;

        if (!str_starts_with(c->id, ref))
            continue;
        if (found)
            return -EEXIST;
        found = c;
    }
    if (!found)
        return -ENOENT;

    *ret = found;
    return 0;
}
