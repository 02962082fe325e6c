/* Tags of hosts, and what is set for single containers. */

#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "server/common/tag_list.h"
#include "server/import/import.h"
#include "server/store/container_settings.h"
#include "server/store/hosts.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#define MAX_ROWS 200000
#define MAX_ID   80 /* HOST:ID12 */
#define MAX_NAME 255
#define MAX_WORD 100
#define MAX_TEXT 4096

/* DockMon does not store the number in the service; names of Compose end with it. */
static const char *find_number(const char *name)
{
    const char *p = name ? name + strlen(name) : "";

    while (name && p > name && p[-1] >= '0' && p[-1] <= '9')
        p--;
    return *p && p > name && (p[-1] == '-' || p[-1] == '_') ? p : "1";
}

/* Rows of containers say their host in a column, or in the id HOST:ID12. */
static char *read_host(const struct foreign_row *row, const char *id_column)
{
    char *host = foreign_row_text(row, "host_id", MAX_ID);
    char *colon;

    if (host)
        return host;
    host = foreign_row_text(row, id_column, MAX_ID);
    colon = host ? strchr(host, ':') : NULL;
    if (colon)
        *colon = '\0';
    return host;
}

static int store_setting(struct import *im,
                         const struct container_setting_key *key,
                         const char *data,
                         struct error *err)
{
    _cleanup_free_ char *known = NULL;
    int r = container_settings_get(im->to, key, &known, NULL);

    r = r == 0 ? -EEXIST : container_settings_set(im->to, key, data, im->now_ms, err);
    if (r == -EINVAL || r == -ENOBUFS) {
        import_refuse(im, IMPORT_CONTAINER_SETTINGS, key->subject,
                      r == -EINVAL ? "its data is too long or invalid" : "there are too many");
        return 0;
    }
    return import_note(im, IMPORT_CONTAINER_SETTINGS, key->subject, r, err);
}

/* The members of a row that are copied, as text or as a number. */
static const struct copied {
    const char *column, *member;
    bool is_text, is_bool;
} auto_restart[] =
    {
        {"enabled",      "enabled", false, true},
        {"max_retries",         "max_retries", false, false},
        {"retry_delay",              "retry_delay", false, false},
        {0}
},
  desired_state[] = {{"desired_state", "desired_state", true, false}, {0}},
  web_ui_url[] = {{"web_ui_url", "url", true, false}, {0}},
  update_policy[] = {{"floating_tag_mode", "floating_tag_mode", true, false},
                     {"auto_update_enabled", "auto_update_enabled", false, true},
                     {"update_policy", "update_policy", true, false},
                     {"health_check_strategy", "health_check_strategy", true, false},
                     {"health_check_url", "health_check_url", true, false},
                     {0}},
  http_check[] = {{"enabled", "enabled", false, true},
                  {"url", "url", true, false},
                  {"method", "method", true, false},
                  {"expected_status_codes", "expected_status_codes", true, false},
                  {"timeout_seconds", "timeout_seconds", false, false},
                  {"check_interval_seconds", "check_interval_seconds", false, false},
                  {"follow_redirects", "follow_redirects", false, true},
                  {"verify_ssl", "verify_ssl", false, true},
                  {"check_from", "check_from", true, false},
                  {"auto_restart_on_failure", "auto_restart_on_failure", false, true},
                  {"failure_threshold", "failure_threshold", false, false},
                  {"success_threshold", "success_threshold", false, false},
                  {"max_restart_attempts", "max_restart_attempts", false, false},
                  {"restart_retry_delay_seconds", "restart_retry_delay_seconds", false, false},
                  {0}};

/* Of a table whose rows name a container only by HOST:ID12, or by both in columns; see names.c. */
#define KNOWN_NAME                                                                                   \
    "(SELECT n.name FROM temp.dockmon_names AS n WHERE n.id = CASE WHEN instr(t.container_id, ':') " \
    "> 0 THEN t.container_id ELSE t.host_id || ':' || t.container_id END) AS known_name"
static const struct source {
    struct foreign_query query;
    enum container_setting_kind kind;
    const struct copied *members;
} sources[] = {
    {{"auto_restart_configs", "SELECT * FROM main.auto_restart_configs", MAX_ROWS},
     CONTAINER_AUTO_RESTART,  auto_restart },
    {{"container_desired_states", "SELECT * FROM main.container_desired_states", MAX_ROWS},
     CONTAINER_DESIRED_STATE, desired_state},
    {{"container_desired_states", "SELECT * FROM main.container_desired_states", MAX_ROWS},
     CONTAINER_WEB_UI_URL,    web_ui_url   },
    {{"container_updates", "SELECT t.*, " KNOWN_NAME " FROM main.container_updates AS t", MAX_ROWS},
     CONTAINER_UPDATE_POLICY, update_policy},
    {{"container_http_health_checks",
      "SELECT t.*, " KNOWN_NAME " FROM main.container_http_health_checks AS t", MAX_ROWS},
     CONTAINER_HTTP_CHECK,    http_check   },
};

static json_t *copy_members(const struct foreign_row *row, const struct copied *c)
{
    json_t *o = json_object();

    for (; c->column; c++) {
        _cleanup_free_ char *text = foreign_row_text(row, c->column, MAX_TEXT);
        int64_t n = foreign_row_i64(row, c->column, -1);

        if (c->is_text && text) {
            (void)json_object_set_new(o, c->member, json_text_str(text));
        } else if (!c->is_text && n >= 0) {
            (void)json_object_set_new(o, c->member, c->is_bool ? json_boolean(n) : json_integer(n));
        }
    }
    return o;
}

struct setting_import {
    struct import *im;
    const struct source *source;
};

static char *read_name(const struct foreign_row *row)
{
    char *name = foreign_row_text(row, "container_name", MAX_NAME);

    return name ? name : foreign_row_text(row, "known_name", MAX_NAME);
}

/* They may have secrets, which have no place in our database yet. */
static void note_left_members(struct import *im, const struct foreign_row *row, const char *name)
{
    if (foreign_row_is_set(row, "headers_json") || foreign_row_is_set(row, "auth_config_json")) {
        import_remark(im, IMPORT_CONTAINER_SETTINGS, name,
                      "the HTTP check comes without its headers and its login");
    }
}

static int add_setting(void *arg, const struct foreign_row *row, struct error *err)
{
    const struct setting_import *s = arg;
    _cleanup_free_ char *host = read_host(row, "container_id");
    _cleanup_free_ char *name = read_name(row), *data = NULL;
    _cleanup_(host_done) struct host h = {0};
    const struct container_setting_key key = {
        .host_id = host, .subject = name, .kind = s->source->kind};
    json_t *o = copy_members(row, s->source->members);
    size_t n = json_object_size(o);

    data = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (n == 0)
        return 0; /* the kind is not set in this row */
    if (!name || !host || hosts_get(s->im->to, host, &h, NULL) < 0) {
        import_refuse(s->im, IMPORT_CONTAINER_SETTINGS, name,
                      name ? "its host is not here" : "the name of the container is missing");
        return 0;
    }
    note_left_members(s->im, row, name);
    return store_setting(s->im, &key, data, err);
}

/* Adds a tag to a JSON array in text form. NULL: there are too many, or it has the tag already. */
static char *append_tag(const char *tags, const char *tag)
{
    json_t *known = json_loads(tags ? tags : "[]", 0, NULL), *added = json_array();
    json_t *list = tag_list_merge(known, NULL, NULL);
    size_t n = json_array_size(list);
    char *text = NULL;

    (void)json_array_append_new(added, json_text_str(tag));
    tag_list_add(list, added, NULL);
    if (json_array_size(list) > n && n < TAG_LIST_MAX)
        text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    json_decref(added);
    json_decref(known);
    return text;
}

static int tag_host(struct import *im, const char *id, const char *tag, struct error *err)
{
    _cleanup_(host_done) struct host h = {0};
    char *tags;

    if (!id || hosts_get(im->to, id, &h, NULL) < 0) {
        import_refuse(im, IMPORT_HOST_TAGS, tag, "its host is not here");
        return 0;
    }
    tags = append_tag(h.tags, tag);
    if (!tags)
        return import_note(im, IMPORT_HOST_TAGS, tag, -EEXIST, err);
    free(h.tags);
    h.tags = tags;
    return import_note(im, IMPORT_HOST_TAGS, tag, hosts_update(im->to, &h, err), err);
}

static int tag_container(struct import *im,
                         const struct foreign_row *row,
                         const char *host,
                         const char *tag,
                         struct error *err)
{
    _cleanup_free_ char *project = foreign_row_text(row, "compose_project", MAX_NAME);
    _cleanup_free_ char *service = foreign_row_text(row, "compose_service", MAX_NAME);
    _cleanup_free_ char *name = foreign_row_text(row, "container_name_at_attach", MAX_NAME);
    _cleanup_free_ char *known = NULL, *data = NULL;
    _cleanup_(host_done) struct host h = {0};
    char subject[CONTAINER_SUBJECT_SIZE];
    struct container_setting_key key = {
        .host_id = host, .subject = subject, .kind = CONTAINER_TAGS};

    (void)container_subject_make(subject, project, service, find_number(name), name);
    if (!host || subject[0] == '\0' || hosts_get(im->to, host, &h, NULL) < 0) {
        import_refuse(im, IMPORT_CONTAINER_SETTINGS, tag,
                      "the container of this tag has no name, or its host is not here");
        return 0;
    }
    (void)container_settings_get(im->to, &key, &known, NULL); /* none: the first tag */
    data = append_tag(known, tag);
    if (!data)
        return import_note(im, IMPORT_CONTAINER_SETTINGS, subject, -EEXIST, err);
    return import_note(im, IMPORT_CONTAINER_SETTINGS, subject,
                       container_settings_set(im->to, &key, data, im->now_ms, err), err);
}

static int add_tag(void *arg, const struct foreign_row *row, struct error *err)
{
    _cleanup_free_ char *tag = foreign_row_text(row, "tag_name", TAG_MAX);
    _cleanup_free_ char *type = foreign_row_text(row, "subject_type", MAX_WORD);
    _cleanup_free_ char *id = foreign_row_text(row, "subject_id", MAX_ID);
    _cleanup_free_ char *host = foreign_row_text(row, "host_id_at_attach", MAX_ID);
    struct import *im = arg;
    char *colon = id ? strchr(id, ':') : NULL;

    if (!tag || !id) {
        import_refuse(im, IMPORT_CONTAINER_SETTINGS, tag,
                      "a tag without text or object, or of more than 64 bytes");
        return 0;
    }
    if (str_eq(type, "host"))
        return tag_host(im, id, tag, err);
    if (colon)
        *colon = '\0';
    return tag_container(im, row, host ? host : id, tag, err);
}

static int import_tags(struct import *im, struct error *err)
{
    static const struct foreign_query query = {
        "tag_assignments",
        "SELECT a.*, t.name AS tag_name FROM main.tag_assignments AS a "
        "JOIN main.tags AS t ON t.id = a.tag_id ORDER BY a.rowid",
        MAX_ROWS};
    int r = foreign_file_has(im->from, "tags", err);

    return r > 0 ? import_read_table(im, &query, IMPORT_HOST_TAGS, add_tag, im, err) : r;
}

int import_settings(struct import *im, struct error *err)
{
    int r = import_names(im, err);

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(sources); i++) {
        r = import_read_table(im, &sources[i].query, IMPORT_CONTAINER_SETTINGS, add_setting,
                              &(struct setting_import){im, &sources[i]}, err);
    }
    return r == 0 ? import_tags(im, err) : r;
}
