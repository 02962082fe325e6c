/* The audit log. Rows say that they come from DockMon: nobody has seen them happen here. */

#include "server/store/audit.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/import/import.h"

#include <errno.h>

#define MAX_ENTRIES 1000000
#define MAX_WORD    64
#define MAX_NAME    255
#define MAX_DETAILS 1000

/* "container" and "start" are container.start, as our own actions are named. */
static char *read_action(const struct foreign_row *row)
{
    _cleanup_free_ char *action = foreign_row_text(row, "action", MAX_WORD);
    _cleanup_free_ char *type = foreign_row_text(row, "entity_type", MAX_WORD);

    if (!action)
        return NULL;
    return type ? xasprintf("%s.%s", str_eq(type, "api_key") ? "apikey" : type, action)
                : TAKE_PTR(action);
}

static char *read_target(const struct foreign_row *row)
{
    _cleanup_free_ char *name = foreign_row_text(row, "entity_name", MAX_NAME);
    _cleanup_free_ char *host = foreign_row_text(row, "host_name", MAX_NAME);

    if (!name)
        name = foreign_row_text(row, "entity_id", MAX_NAME);
    return name && host && !str_eq(name, host) ? xasprintf("%s/%s", host, name) : TAKE_PTR(name);
}

static char *read_result(const struct foreign_row *row)
{
    _cleanup_free_ char *details = foreign_row_cut(row, "details", MAX_DETAILS);

    return details ? xasprintf("imported from DockMon: %s", details)
                   : xstrdup("imported from DockMon");
}

static int add_entry(void *arg, const struct foreign_row *row, struct error *err)
{
    struct import *im = arg;
    _cleanup_free_ char *who = foreign_row_text(row, "username", MAX_NAME);
    _cleanup_free_ char *peer = foreign_row_text(row, "ip_address", MAX_WORD);
    _cleanup_free_ char *action = read_action(row), *target = read_target(row);
    _cleanup_free_ char *result = read_result(row);
    char nobody[] = "-";
    const struct audit_entry e = {
        .at_ms = foreign_row_time(row, "created_at"),
        .who = who ? who : nobody,
        .peer = peer,
        .action = action,
        .target = target,
        .result = result,
    };
    int r;

    if (e.at_ms == 0 || !action) {
        import_refuse(im, IMPORT_AUDIT, who, "an entry without time or action");
        return 0;
    }
    r = audit_has(im->to, &e, err);
    if (r == 0) {
        r = audit_insert(im->to, &e, err);
    } else if (r > 0) {
        r = -EEXIST;
    }
    return import_note(im, IMPORT_AUDIT, action, r, err);
}

int import_audit(struct import *im, struct error *err)
{
    static const struct foreign_query query = {
        "audit_log", "SELECT * FROM main.audit_log ORDER BY rowid", MAX_ENTRIES};

    return import_read_table(im, &query, IMPORT_AUDIT, add_entry, im, err);
}
