/* The event log. Hosts that did not come keep theirs: an event names its host. */

#include "server/store/events.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/import/import.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define MAX_EVENTS 1000000
#define MAX_WORD   64
#define MAX_NAME   255
#define MAX_TEXT   4096

static char *or_default(char *text, const char *absent)
{
    return text ? text : xstrdup(absent);
}

static char *read_severity(const struct foreign_row *row)
{
    static const char *const known[] = {"debug", "info", "warning", "error", "critical"};
    char *text = foreign_row_text(row, "severity", MAX_WORD);

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (str_eq(text, known[i]))
            return text;
    }
    free(text);
    return xstrdup("info");
}

static char *read_container(const struct foreign_row *row)
{
    _cleanup_free_ char *text = foreign_row_text(row, "container_id", MAX_NAME);
    const char *colon = text ? strchr(text, ':') : NULL;
    const char *id = colon ? colon + 1 : text;

    return id ? xasprintf("%.12s", id) : NULL;
}

static char *read_details(const struct foreign_row *row)
{
    char *text = foreign_row_text(row, "details", MAX_TEXT);
    json_t *o = text ? json_loads(text, 0, NULL) : NULL;
    bool is_object = json_is_object(o);

    json_decref(o);
    if (is_object)
        return text;
    free(text);
    return NULL;
}

static int add_event(void *arg, const struct foreign_row *row, struct error *err)
{
    _cleanup_(event_done) struct event e = {0};
    struct import *im = arg;
    int64_t id = foreign_row_i64(row, "id", 0);
    int64_t new_id = 0;
    int r;

    e.at_ms = foreign_row_time(row, "timestamp");
    if (id <= 0 || e.at_ms == 0) {
        import_refuse(im, IMPORT_EVENTS, NULL, "an event without id or time");
        return 0;
    }
    e.category = or_default(foreign_row_text(row, "category", MAX_WORD), "system");
    e.type = or_default(foreign_row_text(row, "event_type", MAX_WORD), "unknown");
    e.severity = read_severity(row);
    e.host_id = foreign_row_text(row, "host_id", MAX_WORD);
    e.host_name = foreign_row_text(row, "host_name", MAX_NAME);
    e.container_id = read_container(row);
    e.container_name = foreign_row_text(row, "container_name", MAX_NAME);
    e.title = or_default(foreign_row_cut(row, "title", MAX_TEXT), e.type);
    e.message = foreign_row_cut(row, "message", MAX_TEXT);
    e.old_state = foreign_row_text(row, "old_state", MAX_WORD);
    e.new_state = foreign_row_text(row, "new_state", MAX_WORD);
    e.triggered_by = foreign_row_text(row, "triggered_by", MAX_NAME);
    e.correlation_id = foreign_row_text(row, "correlation_id", MAX_NAME);
    e.details = read_details(row);
    e.dedup_key = xasprintf("dockmon/%" PRId64 "/%" PRId64, id, e.at_ms);
    r = events_insert(im->to, &e, &new_id, err);
    if (r == 0 && new_id == 0) {
        im->counts[IMPORT_EVENTS].n_present++;
        return 0;
    }
    return import_note(im, IMPORT_EVENTS, e.title, r, err);
}

int import_events(struct import *im, struct error *err)
{
    static const struct foreign_query query = {
        "event_logs", "SELECT * FROM main.event_logs ORDER BY rowid", MAX_EVENTS};

    return import_read_table(im, &query, IMPORT_EVENTS, add_event, im, err);
}
