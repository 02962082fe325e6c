#include "server/api/setting_change.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "proto/json_text.h"
#include "server/api/call.h"
#include "server/common/tag_list.h"
#include "server/fleet/fleet_listener.h"
#include "server/fleet/host_settings.h"
#include "server/fleet/subject.h"
#include "server/view/container_json.h"

#include <errno.h>
#include <string.h>

struct setting_change {
    struct setting_change_options o; /* host and container are not used after the start */
    char *host_id, *name;            /* the name of a container of Compose, or NULL */
    char subject[CONTAINER_SUBJECT_SIZE];
    json_t *changes[SETTING_CHANGE_MAX], *derived_tags;
    char *data[SETTING_CHANGE_MAX]; /* as written; NULL: deleted */
    int code;
    struct error err;
};

static void change_free(struct setting_change *ch)
{
    for (size_t i = 0; i < SETTING_CHANGE_MAX; i++) {
        json_decref(ch->changes[i]);
        free(ch->data[i]);
    }
    json_decref(ch->derived_tags);
    free(ch->host_id);
    free(ch->name);
    free(ch);
}

bool setting_is_desired_state(const char *text)
{
    return str_eq(text, "should_run") || str_eq(text, "on_demand") || str_eq(text, "unspecified");
}

/*
 * Tags that come from labels are not stored: clients send them back with the list that they edit.
 */
static json_t *merge_tags(const struct setting_change *ch, const json_t *now, const json_t *change)
{
    const json_t *ordered = json_object_get(change, "ordered");
    json_t *next = tag_list_merge(ordered ? ordered : now, json_object_get(change, "add"),
                                  json_object_get(change, "remove"));
    json_t *own = tag_list_merge(next, NULL, ch->derived_tags);

    json_decref(next);
    if (json_array_size(own) > 0)
        return own;
    json_decref(own);
    return NULL;
}

/* Returns the new data of a row, or NULL: none is needed. */
static json_t *merge(const struct setting_change *ch, size_t i, const json_t *now)
{
    const json_t *change = ch->changes[i];
    bool is_default;
    json_t *next;

    if (ch->o.kinds[i] == CONTAINER_TAGS)
        return merge_tags(ch, now, change);
    if (ch->o.kinds[i] ==
        CONTAINER_AUTO_RESTART) { /* it may have retries that were set elsewhere */
        next = json_is_object(now) ? json_copy((json_t *)(uintptr_t)now) : json_object();
        (void)json_object_update(next, (json_t *)(uintptr_t)change);
        return next;
    }
    is_default = ch->o.kinds[i] == CONTAINER_DESIRED_STATE
                     ? str_eq(json_text_get(change, "desired_state"), "unspecified")
                     : !json_text_get(change, "url");
    return is_default ? NULL : json_incref((json_t *)(uintptr_t)change);
}

static struct container_setting_key get_key(const struct setting_change *ch, size_t i)
{
    return (struct container_setting_key){
        .host_id = ch->host_id, .subject = ch->subject, .name = ch->name, .kind = ch->o.kinds[i]};
}

static int write_row(struct db *s, struct setting_change *ch, size_t i, struct error *err)
{
    const struct container_setting_key key = get_key(ch, i);
    _cleanup_free_ char *text = NULL;
    json_auto_t *now = NULL, *next = NULL;
    int r = container_settings_get(s, &key, &text, err);

    if (r < 0 && r != -ENOENT)
        return r;
    now = text ? json_text_parse(text, strlen(text), 0, NULL) : NULL;
    next = merge(ch, i, now);
    if (!next)
        return container_settings_delete(s, &key, err);
    r = key.kind == CONTAINER_TAGS ? tag_list_check(next, err) : 0; /* perhaps too many now */
    if (r < 0)
        return r;
    ch->data[i] = json_dumps(next, JSON_COMPACT);
    return container_settings_set(s, &key, ch->data[i], time_utc_ms(), err);
}

static int write_rows(struct db *s, void *arg, struct error *err)
{
    struct setting_change *ch = arg;
    int r = 0;

    for (size_t i = 0; r == 0 && i < SETTING_CHANGE_MAX && ch->changes[i]; i++)
        r = write_row(s, ch, i, err);
    return r;
}

static void on_work(void *job)
{
    struct setting_change *ch = job;

    ch->code = db_tx(ch->o.api->o.store, write_rows, ch, &ch->err);
}

static void on_done(void *job)
{
    struct setting_change *ch = job;
    struct fleet_host *h = fleet_find_host(ch->o.api->o.fleet, ch->host_id);

    if (ch->code == 0 && h) {
        for (size_t i = 0; i < SETTING_CHANGE_MAX && ch->changes[i]; i++) {
            const struct container_setting_key key = get_key(ch, i);

            host_settings_set(h, &key, ch->data[i]);
        }
        fleet_notify_containers(ch->o.api->o.fleet, h);
    }
    ch->o.done(ch->o.owner, ch->code < 0 ? &ch->err : NULL);
    change_free(ch);
}

void setting_change_start(const struct setting_change_options *o)
{
    struct setting_change *ch = xcalloc(1, sizeof(*ch));
    const struct fleet_container *c = o->container;
    struct error err = ERROR_INIT;

    ch->o = *o;
    ch->host_id = xstrdup(o->host->row.id);
    if (subject_of_container(c->labels, c->name, ch->subject))
        ch->name = xstrdup(c->name);
    for (size_t i = 0; i < SETTING_CHANGE_MAX && o->changes[i]; i++)
        ch->changes[i] = json_deep_copy(o->changes[i]);
    ch->derived_tags = container_derived_tags(c);
    if (job_submit(o->api->o.store_jobs, ch, on_work, on_done) == 0)
        return;
    (void)error_set(&err, -ENOBUFS, "The server is busy, try again later");
    o->done(o->owner, &err);
    change_free(ch);
}

/* --- the settings of a deleted container --- */

struct setting_removal {
    struct api *api;
    char *host_id, *name; /* as in setting_change */
    char subject[CONTAINER_SUBJECT_SIZE];
    void (*done)(void *owner);
    void *owner;
    int code;
    struct error err;
};

static void removal_free(struct setting_removal *m)
{
    free(m->host_id);
    free(m->name);
    free(m);
}

static bool has_other_container(const struct fleet_host *h, const char *id, const char *subject)
{
    map_foreach(&h->containers, e) {
        const struct fleet_container *c = e->value;
        char own[CONTAINER_SUBJECT_SIZE];

        (void)subject_of_container(c->labels, c->name, own);
        if (!str_eq(c->id, id) && str_eq(own, subject))
            return true;
    }
    return false;
}

static struct container_setting_key get_removal_key(const struct setting_removal *m, size_t kind)
{
    return (struct container_setting_key){.host_id = m->host_id,
                                          .subject = m->subject,
                                          .name = m->name,
                                          .kind = (enum container_setting_kind)kind};
}

static int delete_rows(struct db *s, void *arg, struct error *err)
{
    int r = 0;

    for (size_t kind = 0; r == 0 && kind < CONTAINER_SETTING_KINDS; kind++) {
        const struct container_setting_key key = get_removal_key(arg, kind);

        r = container_settings_delete(s, &key, err);
    }
    return r;
}

static void on_removal_work(void *job)
{
    struct setting_removal *m = job;

    m->code = db_tx(m->api->o.store, delete_rows, m, &m->err);
}

static void on_removal_done(void *job)
{
    struct setting_removal *m = job;
    struct fleet_host *h = fleet_find_host(m->api->o.fleet, m->host_id);

    if (m->code < 0) {
        log_warn(LOG_FIELDS("host", m->host_id, "subject", m->subject),
                 "settings of a deleted container were not deleted: %s", m->err.msg);
    }
    for (size_t kind = 0; h && m->code == 0 && kind < CONTAINER_SETTING_KINDS; kind++) {
        const struct container_setting_key key = get_removal_key(m, kind);

        host_settings_set(h, &key, NULL);
    }
    m->done(m->owner);
    removal_free(m);
}

void setting_removal_start(const struct setting_removal_options *o)
{
    struct setting_removal *m = xcalloc(1, sizeof(*m));

    m->api = o->api;
    m->done = o->done;
    m->owner = o->owner;
    m->host_id = xstrdup(o->host->row.id);
    if (subject_of_container(o->labels, o->name, m->subject))
        m->name = xstrdup(o->name);
    if (str_is_empty(m->subject) || has_other_container(o->host, o->id, m->subject)) {
        o->done(o->owner);
        removal_free(m);
    } else if (job_submit(o->api->o.store_jobs, m, on_removal_work, on_removal_done) < 0) {
        (void)error_set(&m->err, -ENOBUFS, "the store is busy");
        m->code = -ENOBUFS;
        on_removal_done(m);
    }
}
