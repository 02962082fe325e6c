#include "server/import/import.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/store/audit.h"
#include "server/store/users.h"

#include <errno.h>
#include <stdio.h>

#define MAX_SHOWN 60 /* bytes of a name in a note */

/* Texts of the file may have control characters, which a terminal would obey. */
static char *make_note(const char *name, const char *why)
{
    char *note = xasprintf("%.*s: %s", STR_CUT(name ? name : "(no name)", MAX_SHOWN), why);

    for (char *p = note; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    }
    return note;
}

void import_remark(struct import *im, enum import_kind kind, const char *name, const char *text)
{
    struct import_count *c = &im->counts[kind];

    if (c->n_notes < IMPORT_MAX_NOTES) {
        c->notes[c->n_notes++] = make_note(name, text);
    } else {
        c->n_left_out++;
    }
}

void import_refuse(struct import *im, enum import_kind kind, const char *name, const char *why)
{
    im->counts[kind].n_refused++;
    import_remark(im, kind, name, why);
}

int import_note(
    struct import *im, enum import_kind kind, const char *name, int r, struct error *err)
{
    if (r == -EEXIST) {
        im->counts[kind].n_present++;
        return 0;
    }
    if (r == -EINVAL) {
        import_refuse(im, kind, name, err ? err->msg : "invalid");
        return 0;
    }
    if (r == 0)
        im->counts[kind].n_taken++;
    return r;
}

int import_read_table(struct import *im,
                      const struct foreign_query *q,
                      enum import_kind kind,
                      foreign_row_fn fn,
                      void *arg,
                      struct error *err)
{
    int r = foreign_file_has(im->from, q->table, err);

    if (r > 0)
        r = foreign_file_each(im->from, q, fn, arg, err);
    if (r == -ENODATA) {
        import_refuse(im, kind, q->table, "the table has other columns than expected");
        r = 0;
    }
    return r;
}

static int check_admins(struct import *im, struct error *err)
{
    int64_t n_users = 0, n_admins = 0;
    int r = users_count(im->to, &n_users, err);

    if (r == 0)
        r = users_count_admins(im->to, &n_admins, err);
    im->lacks_admin = n_users > 0 && n_admins == 0;
    return r;
}

static int run_parts(struct db *s, void *arg, struct error *err)
{
    static int (*const parts[])(struct import * im, struct error * err) = {
        import_hosts,  import_accounts, import_settings, import_registries,
        import_events, import_audit,    check_admins};
    struct import *im = arg;
    char who[] = "offline", action[] = "import.dockmon", result[] = "ok";
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(parts); i++)
        r = parts[i](im, err);
    if (r == 0) {
        r = audit_insert(s,
                         &(struct audit_entry){
                             .at_ms = im->now_ms, .who = who, .action = action, .result = result},
                         err);
    }
    return r;
}

int import_run(struct import *im, struct error *err)
{
    return db_tx(im->to, run_parts, im, err);
}

void import_done(struct import *im)
{
    for (size_t kind = 0; kind < IMPORT_KINDS; kind++) {
        for (unsigned i = 0; i < im->counts[kind].n_notes; i++)
            free(im->counts[kind].notes[i]);
    }
    db_close(TAKE_PTR(im->to));
}
