#include "server/store/image_checks.h"
#include "base/alloc.h"
#include "server/sqlite/query.h"

#define COLUMNS                                                                       \
    "reference, digest, etag, platforms, newer, way, outcome, error, checked_at_ms, " \
    "answered_at_ms, changed_at_ms"

enum stmt { STMT_PUT, STMT_EACH, STMT_DELETE, STMT_COUNT };

static const char *const sql[STMT_COUNT] = {
    [STMT_PUT] = ("INSERT OR REPLACE INTO image_checks (" COLUMNS
                  ") VALUES (:reference, :digest, :etag, :platforms, :newer, :way, :outcome, "
                  ":error, :checked_at_ms, :answered_at_ms, :changed_at_ms)"),
    [STMT_EACH] = "SELECT " COLUMNS " FROM image_checks",
    [STMT_DELETE] = "DELETE FROM image_checks WHERE reference = :reference",
};

static const struct column columns[] = {
    {":reference",      COLUMN_TEXT, offsetof(struct image_check, reference)     },
    {":digest",         COLUMN_TEXT, offsetof(struct image_check, digest)        },
    {":etag",           COLUMN_TEXT, offsetof(struct image_check, etag)          },
    {":platforms",      COLUMN_TEXT, offsetof(struct image_check, platforms)     },
    {":newer",          COLUMN_TEXT, offsetof(struct image_check, newer)         },
    {":way",            COLUMN_TEXT, offsetof(struct image_check, way)           },
    {":outcome",        COLUMN_TEXT, offsetof(struct image_check, outcome)       },
    {":error",          COLUMN_TEXT, offsetof(struct image_check, error)         },
    {":checked_at_ms",  COLUMN_I64,  offsetof(struct image_check, checked_at_ms) },
    {":answered_at_ms", COLUMN_I64,  offsetof(struct image_check, answered_at_ms)},
    {":changed_at_ms",  COLUMN_I64,  offsetof(struct image_check, changed_at_ms) },
};

void image_check_done(struct image_check *c)
{
    row_done(columns, ARRAY_LEN(columns), c);
}

struct image_check image_check_copy(const struct image_check *c)
{
    return (struct image_check){
        .reference = xstrdup(c->reference),
        .digest = xstrdup(c->digest),
        .etag = xstrdup(c->etag),
        .platforms = xstrdup(c->platforms),
        .newer = xstrdup(c->newer),
        .way = xstrdup(c->way),
        .outcome = xstrdup(c->outcome),
        .error = xstrdup(c->error),
        .checked_at_ms = c->checked_at_ms,
        .answered_at_ms = c->answered_at_ms,
        .changed_at_ms = c->changed_at_ms,
    };
}

int image_checks_put(struct db *s, const struct image_check *c, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, s, sql[STMT_PUT], err);

    if (r < 0)
        return r;
    query_bind_row(&q, columns, ARRAY_LEN(columns), c);
    return query_run(&q, NULL, err);
}

int image_checks_each(struct db *s, image_check_fn fn, void *arg, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    _cleanup_(image_check_done) struct image_check row = {0};
    int r = query_init(&q, s, sql[STMT_EACH], err);

    if (r < 0)
        return r;
    while ((r = query_next_row(&q, columns, ARRAY_LEN(columns), &row, err)) > 0)
        fn(arg, &row);
    return r;
}

int image_checks_delete(struct db *s, const char *reference, struct error *err)
{
    _cleanup_(query_done) struct query q = {0};
    int r = query_init(&q, s, sql[STMT_DELETE], err);

    if (r < 0)
        return r;
    query_text(&q, ":reference", reference);
    return query_run(&q, NULL, err);
}
