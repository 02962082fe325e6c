#include "cli/updates/update_limits.h"
#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/output.h"
#include "cli/common/text.h"
#include "cli/containers/containers.h"

#include <errno.h>
#include <stdlib.h>

enum value { VALUE_BYTES, VALUE_INTEGER, VALUE_NUMBER, VALUE_TEXT };

static const struct row {
    const char *flag, *member;
    size_t offset;
    enum value value;
} rows[] = {
#define AT(m) offsetof(struct update_limits, m)
    {"memory",             "memory",             AT(memory),             VALUE_BYTES  },
    {"memory-reservation", "memory_reservation", AT(memory_reservation), VALUE_BYTES  },
    {"memory-swap",        "memory_swap",        AT(memory_swap),        VALUE_BYTES  },
    {"cpus",               "cpus",               AT(cpus),               VALUE_NUMBER },
    {"cpu-shares",         "cpu_shares",         AT(cpu_shares),         VALUE_INTEGER},
    {"cpu-period",         "cpu_period",         AT(cpu_period),         VALUE_INTEGER},
    {"cpu-quota",          "cpu_quota",          AT(cpu_quota),          VALUE_INTEGER},
    {"cpuset-cpus",        "cpuset_cpus",        AT(cpuset_cpus),        VALUE_TEXT   },
    {"cpuset-mems",        "cpuset_mems",        AT(cpuset_mems),        VALUE_TEXT   },
    {"pids-limit",         "pids_limit",         AT(pids_limit),         VALUE_INTEGER},
    {"blkio-weight",       "blkio_weight",       AT(blkio_weight),       VALUE_INTEGER},
    {"restart",            "restart",            AT(restart),            VALUE_TEXT   },
#undef AT
};

static const char *get_value(const struct update_limits *limits, const struct row *row)
{
    return *(const char *const *)((const char *)limits + row->offset);
}

const char *update_limits_first(const struct update_limits *limits)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (get_value(limits, &rows[i]))
            return rows[i].flag;
    }
    return NULL;
}

/* NULL: malformed. */
static json_t *make_number(const char *text)
{
    char *end = NULL;
    double number = strtod(text, &end);

    return end == text || *end != '\0' ? NULL : json_real(number); /* NULL if it is not finite */
}

static json_t *make_value(const char *text, enum value type)
{
    int64_t number = 0;

    switch (type) {
    case VALUE_BYTES: return text_parse_size(text, &number) < 0 ? NULL : json_integer(number);
    case VALUE_INTEGER: return parse_i64(text, &number) < 0 ? NULL : json_integer(number);
    case VALUE_NUMBER: return make_number(text);
    case VALUE_TEXT: return json_string(text);
    }
    return NULL;
}

int update_limits_body(const struct update_limits *limits, json_t **ret, struct error *err)
{
    json_auto_t *body = json_object();

    *ret = NULL;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *text = get_value(limits, &rows[i]);
        json_t *value = text ? make_value(text, rows[i].value) : NULL;

        if (text && !value) {
            return error_set(err, -EINVAL, "--%s: \"%s\" is not a %s", rows[i].flag, text,
                             rows[i].value == VALUE_BYTES ? "size; write it as 512m or 2g"
                                                          : "number");
        }
        if (value)
            (void)json_object_set_new(body, rows[i].member, value);
    }
    if (json_object_size(body) > 0)
        *ret = TAKE_PTR(body);
    return 0;
}

static void fill_request(void *owner, const json_t *container, struct client_request *r)
{
    r->method = "PATCH";
    r->path = container_path(container, "/limits");
    r->body = json_incref(owner);
}

static void show(void *owner, const char *word, const struct client_request *r)
{
    const json_t *warnings = json_object_get(r->json, "warnings"), *one;
    size_t i;

    (void)owner;
    json_array_foreach(warnings, i, one)
    {
        output_note("%s: %s", word, json_is_string(one) ? json_string_value(one) : "");
    }
    output_line("%s", word);
}

int update_limits_run(struct client *c, const struct args_list *words, json_t *body)
{
    return containers_each(
        c, words, &(struct containers_batch){.fill = fill_request, .show = show, .owner = body});
}
