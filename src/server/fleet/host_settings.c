#include "server/fleet/host_settings.h"
#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/fleet/fleet_listener.h"
#include "server/fleet/subject.h"

#include <string.h>

struct host_settings {
    struct map rows[CONTAINER_SETTING_KINDS]; /* subject -> json_t *, owned */
};

void host_settings_free(struct host_settings *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < ARRAY_LEN(s->rows); i++) {
        map_foreach(&s->rows[i], e)
            json_decref(e->value);
        map_done(&s->rows[i]);
    }
    free(s);
}

static bool is_live(enum container_setting_kind kind)
{
    return kind == CONTAINER_AUTO_RESTART || kind == CONTAINER_DESIRED_STATE ||
           kind == CONTAINER_WEB_UI_URL || kind == CONTAINER_TAGS;
}

/* Marks the containers that have the subject as changed. */
static void renew(struct fleet_host *h, const char *subject)
{
    map_foreach(&h->containers, e) {
        struct fleet_container *c = e->value;
        char own[CONTAINER_SUBJECT_SIZE];

        (void)subject_of_container(c->labels, c->name, own);
        if (!str_eq(own, subject) && !str_eq(c->name, subject))
            continue;
        free(c->settings.text);
        c->settings = (struct fleet_text){0};
        c->version = ++h->containers_version;
    }
}

/* Takes ownership of `data`, which is NULL to remove the row. */
static void put(struct fleet_host *h, size_t kind, const char *subject, json_t *data)
{
    struct map *rows;

    if (!h->settings)
        h->settings = xcalloc(1, sizeof(*h->settings));
    rows = &h->settings->rows[kind];
    json_decref(data ? map_put(rows, subject, data) : map_remove(rows, subject));
    renew(h, subject);
}

void host_settings_set(struct fleet_host *h,
                       const struct container_setting_key *key,
                       const char *data)
{
    if (!is_live(key->kind))
        return;
    put(h, key->kind, key->subject, data ? json_text_parse(data, strlen(data), 0, NULL) : NULL);
    if (key->name && !str_eq(key->name, key->subject))
        put(h, key->kind, key->name, NULL);
}

const json_t *host_settings_find(const struct fleet_host *h,
                                 const struct fleet_container *c,
                                 enum container_setting_kind kind)
{
    char subject[CONTAINER_SUBJECT_SIZE];
    const json_t *data;

    if (!h->settings)
        return NULL;
    (void)subject_of_container(c->labels, c->name, subject);
    data = map_find(&h->settings->rows[kind], subject);
    return data || !c->name ? data : map_find(&h->settings->rows[kind], c->name);
}

void host_settings_rename(struct fleet *f, const char *host_id, const char *from, const char *to)
{
    struct fleet_host *h = host_id ? fleet_find_host(f, host_id) : NULL;

    if (!h || !h->settings || !to || str_eq(from, to))
        return;
    for (size_t i = 0; i < ARRAY_LEN(h->settings->rows); i++) {
        json_t *data = map_remove(&h->settings->rows[i], from);

        if (data)
            put(h, i, to, data);
    }
    renew(h, from);
    fleet_notify_containers(f, h);
}

void host_settings_move(struct fleet *f, const char *from_id, struct fleet_host *to)
{
    const struct fleet_host *from = from_id ? fleet_find_host(f, from_id) : NULL;

    if (!from || !from->settings || !to)
        return;
    for (size_t i = 0; i < ARRAY_LEN(from->settings->rows); i++) {
        map_foreach(&from->settings->rows[i], e)
            put(to, i, e->key, json_incref(e->value));
    }
}

static void load_row(void *arg, const struct container_setting *row)
{
    struct fleet_host *h = fleet_find_host(arg, row->host_id);

    if (h) {
        host_settings_set(
            h, &(struct container_setting_key){.subject = row->subject, .kind = row->kind},
            row->data);
    }
}

int host_settings_load(struct db *store, struct fleet *f, struct error *err)
{
    return container_settings_each(store, NULL, load_row, f, err);
}
