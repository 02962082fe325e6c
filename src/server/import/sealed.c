#include "server/import/sealed.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/store/secret.h"

#include <errno.h>
#include <jansson.h>

#define MAX_ROWS  100000
#define MAX_DEPTH 8 /* of JSON */

static const struct foreign_query tables[] = {
    {"registry_credentials",         "SELECT * FROM main.registry_credentials",         MAX_ROWS},
    {"notification_channels",        "SELECT * FROM main.notification_channels",        MAX_ROWS},
    {"oidc_config",                  "SELECT * FROM main.oidc_config",                  MAX_ROWS},
    {"container_http_health_checks", "SELECT * FROM main.container_http_health_checks", MAX_ROWS},
};

struct counter {
    const struct fernet_key *key;
    struct import_sealed *sealed;
};

static void count_token(const struct counter *c, const char *token)
{
    _cleanup_(secret_freep) char *text = c->key ? fernet_open(c->key, token) : NULL;

    c->sealed->n_sealed++;
    c->sealed->n_opened += text != NULL;
}

static void count_json(const struct counter *c, json_t *value, unsigned depth)
{
    const char *key;
    json_t *member;
    size_t i;

    if (json_is_string(value) && fernet_is_token(json_string_value(value)))
        count_token(c, json_string_value(value));
    if (depth == MAX_DEPTH)
        return;
    json_array_foreach(value, i, member)
    {
        count_json(c, member, depth + 1);
    }
    json_object_foreach(value, key, member)
    {
        count_json(c, member, depth + 1);
    }
}

static void count_text(void *arg, const char *text)
{
    json_t *document;

    if (fernet_is_token(text)) {
        count_token(arg, text);
        return;
    }
    document = text[0] == '{' || text[0] == '[' ? json_loads(text, 0, NULL) : NULL;
    count_json(arg, document, 0);
    json_decref(document);
}

static int count_row(void *arg, const struct foreign_row *row, struct error *err _unused_)
{
    foreign_row_each_text(row, FERNET_MAX_TOKEN, count_text, arg);
    return 0;
}

static const struct foreign_query *find_table(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        if (str_eq(name, tables[i].table))
            return &tables[i];
    }
    return NULL;
}

int import_sealed_count(struct db *from,
                        const char *table,
                        const struct fernet_key *key,
                        struct import_sealed *ret,
                        struct error *err)
{
    const struct foreign_query *query = find_table(table);
    int r = query ? foreign_file_has(from, table, err) : 0;

    *ret = (struct import_sealed){0};
    return r > 0 ? foreign_file_each(from, query, count_row, &(struct counter){key, ret}, err) : r;
}

int import_sealed_check(struct db *from, const struct fernet_key *key, struct error *err)
{
    unsigned n_sealed = 0, n_opened = 0;

    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        struct import_sealed sealed;
        int r = import_sealed_count(from, tables[i].table, key, &sealed, err);

        if (r < 0)
            return r;
        n_sealed += sealed.n_sealed;
        n_opened += sealed.n_opened;
    }
    if (n_sealed > 0 && n_opened == 0) {
        return error_set(err, -EKEYREJECTED,
                         "the encryption key opens none of the %u sealed values of this database: "
                         "it is the key of another installation",
                         n_sealed);
    }
    return 0;
}
