#include "server/store/container_settings.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/sqlite/query.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_LABEL        255 /* bytes of a project or a service */
#define MAX_NUMBER       10  /* digits */
#define OF_THE_CONTAINER "host_id = :host AND kind = :kind AND subject IN (:subject, :name)"

enum stmt {
    STMT_SET,
    STMT_GET,
    STMT_DELETE,
    STMT_DELETE_NAME,
    STMT_EACH,
    STMT_RENAME,
    STMT_MOVE,
    STMT_COUNT
};

static const char *const sql[STMT_COUNT] = {
    [STMT_SET] = "INSERT INTO container_settings (host_id, subject, kind, data, updated_at_ms) "
                 "SELECT :host, :subject, :kind, :data, :now WHERE "
                 "(SELECT count(*) FROM container_settings WHERE host_id = :host) < :max OR "
                 "EXISTS (SELECT * FROM container_settings WHERE host_id = :host "
                 "AND subject = :subject AND kind = :kind) "
                 "ON CONFLICT DO UPDATE SET data = excluded.data, "
                 "updated_at_ms = excluded.updated_at_ms",
    [STMT_GET] = "SELECT data FROM container_settings WHERE " OF_THE_CONTAINER
                 " ORDER BY subject = :subject DESC LIMIT 1",
    [STMT_DELETE] = "DELETE FROM container_settings WHERE " OF_THE_CONTAINER,
    [STMT_DELETE_NAME] = "DELETE FROM container_settings WHERE host_id = :host AND kind = :kind "
                         "AND subject = :name",
    [STMT_EACH] = "SELECT host_id, subject, kind, data, updated_at_ms FROM container_settings "
                  "WHERE :host IS NULL OR host_id = :host ORDER BY host_id, subject, kind",
    [STMT_RENAME] = "UPDATE OR REPLACE container_settings SET subject = :to "
                    "WHERE host_id = :host AND subject = :from",
    [STMT_MOVE] = "UPDATE OR REPLACE container_settings SET host_id = :to WHERE host_id = :from",
};

static const char *const kind_names[CONTAINER_SETTING_KINDS] = {
    [CONTAINER_AUTO_RESTART] = "auto_restart",   [CONTAINER_DESIRED_STATE] = "desired_state",
    [CONTAINER_WEB_UI_URL] = "web_ui_url",       [CONTAINER_TAGS] = "tags",
    [CONTAINER_UPDATE_POLICY] = "update_policy", [CONTAINER_HTTP_CHECK] = "http_check",
};

/* A slash would make the text ambiguous; names of containers have none. */
static bool is_label_usable(const char *label)
{
    return !str_is_empty(label) && strlen(label) <= MAX_LABEL && !strchr(label, '/');
}

static bool is_number(const char *text)
{
    return !str_is_empty(text) && strlen(text) <= MAX_NUMBER &&
           text[strspn(text, "0123456789")] == '\0';
}

bool container_subject_make(
    char *ret, const char *project, const char *service, const char *number, const char *name)
{
    if (is_label_usable(project) && is_label_usable(service) && is_number(number)) {
        (void)snprintf(ret, CONTAINER_SUBJECT_SIZE, "%s/%s/%s", project, service, number);
        return true;
    }
    str_copy(ret, CONTAINER_SUBJECT_SIZE, name ? name : "");
    return false;
}

const char *container_setting_kind_name(enum container_setting_kind kind)
{
    return kind_names[kind];
}

static enum container_setting_kind parse_kind(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kind_names); i++) {
        if (str_eq(name, kind_names[i]))
            return (enum container_setting_kind)i;
    }
    return CONTAINER_SETTING_KINDS; /* the table has a constraint */
}

static int init_query(struct query *q,
                      struct db *s,
                      enum stmt stmt,
                      const struct container_setting_key *key,
                      struct error *err)
{
    int r = query_init(q, s, sql[stmt], err);

    if (r < 0)
        return r;
    query_text(q, ":host", key->host_id);
    query_text(q, ":kind", kind_names[key->kind]);
    if (stmt != STMT_DELETE_NAME)
        query_text(q, ":subject", key->subject);
    if (stmt != STMT_SET)
        query_text(q, ":name", key->name);
    return 0;
}

static int delete_of_name(struct db *s, const struct container_setting_key *key, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    if (!key->name || str_eq(key->name, key->subject))
        return 0;
    r = init_query(&q, s, STMT_DELETE_NAME, key, err);
    return r < 0 ? r : query_run(&q, NULL, err);
}

int container_settings_set(struct db *s,
                           const struct container_setting_key *key,
                           const char *data,
                           int64_t now_ms,
                           struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int64_t n;
    int r;

    if (strlen(data) > CONTAINER_SETTING_MAX_DATA) {
        return error_set(err, -EINVAL, "%s of container %s: longer than %d bytes",
                         kind_names[key->kind], key->subject, CONTAINER_SETTING_MAX_DATA);
    }
    r = init_query(&q, s, STMT_SET, key, err);
    if (r < 0)
        return r;
    query_text(&q, ":data", data);
    query_i64(&q, ":now", now_ms);
    query_i64(&q, ":max", CONTAINER_SETTING_MAX_PER_HOST);
    r = query_run(&q, &n, err);
    if (r < 0)
        return r;
    if (n == 0) {
        return error_set(err, -ENOBUFS, "settings of containers: the host has %d, the maximum",
                         CONTAINER_SETTING_MAX_PER_HOST);
    }
    return delete_of_name(s, key, err);
}

int container_settings_get(struct db *s,
                           const struct container_setting_key *key,
                           char **ret_data,
                           struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = init_query(&q, s, STMT_GET, key, err);
    if (r < 0)
        return r;
    r = query_step_to_one(&q, err, "%s of container %s is not set", kind_names[key->kind],
                          key->subject);
    if (r < 0)
        return r;
    *ret_data = query_column_text(&q, 0);
    return 0;
}

int container_settings_delete(struct db *s,
                              const struct container_setting_key *key,
                              struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = init_query(&q, s, STMT_DELETE, key, err);
    return r < 0 ? r : query_run(&q, NULL, err);
}

int container_settings_each(
    struct db *s, const char *host_id, container_settings_row_fn fn, void *arg, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_EACH], err);
    if (r < 0)
        return r;
    query_text(&q, ":host", host_id);
    while ((r = query_step(&q, err)) > 0) {
        _cleanup_free_ char *host = query_column_text(&q, 0);
        _cleanup_free_ char *subject = query_column_text(&q, 1);
        _cleanup_free_ char *kind = query_column_text(&q, 2);
        _cleanup_free_ char *data = query_column_text(&q, 3);

        fn(arg, &(struct container_setting){.host_id = host,
                                            .subject = subject,
                                            .kind = parse_kind(kind),
                                            .data = data,
                                            .updated_at_ms = query_column_i64(&q, 4)});
    }
    return r;
}

int container_settings_rename(
    struct db *s, const char *host_id, const char *from, const char *to, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    if (str_eq(from, to))
        return 0;
    r = query_init(&q, s, sql[STMT_RENAME], err);
    if (r < 0)
        return r;
    query_text(&q, ":host", host_id);
    query_text(&q, ":from", from);
    query_text(&q, ":to", to);
    return query_run(&q, NULL, err);
}

int container_settings_move_host(struct db *s,
                                 const char *from_host_id,
                                 const char *to_host_id,
                                 int64_t *ret_moved,
                                 struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r;

    r = query_init(&q, s, sql[STMT_MOVE], err);
    if (r < 0)
        return r;
    query_text(&q, ":from", from_host_id);
    query_text(&q, ":to", to_host_id);
    return query_run(&q, ret_moved, err);
}
