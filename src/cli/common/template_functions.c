#include "cli/common/template_internal.h"

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/output.h"
#include "cli/common/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PAD 1000

static int refuse(const struct call *c, struct error *err, const char *message)
{
    return template_refuse(c->t, c->position, err, "%s: %s", c->name, message);
}

/* Takes the text. */
static int return_text(struct value *ret, char *text)
{
    *ret = (struct value){.json = json_string(text), .is_safe = true};
    if (!ret->json)
        ret->json = json_string("");
    free(text);
    return 0;
}

static int return_bool(struct value *ret, bool is_true)
{
    *ret = (struct value){.json = json_boolean(is_true), .is_safe = true};
    return 0;
}

static int return_value(struct value *ret, const struct value *v)
{
    *ret = (struct value){.json = v->json ? json_incref(v->json) : json_null(),
                          .is_safe = v->is_safe};
    return 0;
}

/* Replaces <, > and &, which Go's encoder escapes; they occur in strings only. */
static char *escape_html(const char *json)
{
    struct buf out = BUF_INIT(6 * strlen(json) + 1);

    for (; *json; json++) {
        if (strchr("<>&", *json)) {
            (void)buf_printf(&out, "\\u00%02x", (unsigned)*json);
        } else {
            (void)buf_append_char(&out, *json);
        }
    }
    return buf_take(&out);
}

char *template_json(const json_t *v, bool escapes_html)
{
    size_t flags = JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY |
                   (output_is_terminal() ? JSON_ENSURE_ASCII : 0);
    char *text = v ? json_dumps(v, flags) : NULL;
    char *line = escapes_html ? escape_html(text ? text : "null") : xstrdup(text ? text : "null");

    free(text);
    return line;
}

static int run_json(const struct call *c, struct value *ret, struct error *err)
{
    (void)err;
    if (c->is_header)
        return return_value(ret, &c->args[0]);
    return return_text(ret, template_json(c->args[0].json, false));
}

static int run_join(const struct call *c, struct value *ret, struct error *err)
{
    const json_t *list = c->args[0].json;
    const char *separator = json_string_value(c->args[1].json);
    struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
    int r = 0;

    if (c->is_header)
        return return_value(ret, &c->args[0]);
    if (!separator || (list && !json_is_array(list) && !json_is_null(list)))
        return refuse(c, err, "expected a list and a separator");
    for (size_t i = 0; i < json_array_size(list) && r == 0; i++) {
        struct value item = {.json = json_array_get(list, i), .is_safe = c->args[0].is_safe};
        _cleanup_free_ char *text = template_text(&item);

        r = i ? buf_append_str(&out, separator) : 0;
        r = r < 0 ? r : buf_append_str(&out, text);
    }
    if (r < 0)
        buf_done(&out);
    return r < 0 ? refuse(c, err, "the text is too long")
                 : return_text(ret, out.data ? buf_take(&out) : xstrdup(""));
}

static int run_split(const struct call *c, struct value *ret, struct error *err)
{
    const char *s = json_string_value(c->args[0].json);
    const char *separator = json_string_value(c->args[1].json);
    json_t *list;
    const char *end;

    if (c->is_header)
        return return_value(ret, &c->args[0]);
    if (!s || str_is_empty(separator))
        return refuse(c, err, "expected a text and a separator");
    list = json_array();
    while ((end = strstr(s, separator))) {
        (void)json_array_append_new(list, json_stringn(s, (size_t)(end - s)));
        s = end + strlen(separator);
    }
    (void)json_array_append_new(list, json_string(s));
    *ret = (struct value){.json = list, .is_safe = c->args[0].is_safe};
    return 0;
}

static int change_case(const struct call *c, struct value *ret, int (*change)(int))
{
    char *text = template_text(&c->args[0]);

    if (c->is_header) {
        free(text);
        return return_value(ret, &c->args[0]);
    }
    for (char *p = text; *p; p++)
        *p = (char)change((unsigned char)*p);
    return return_text(ret, text);
}

static int run_upper(const struct call *c, struct value *ret, struct error *err)
{
    (void)err;
    return change_case(c, ret, toupper);
}

static int run_lower(const struct call *c, struct value *ret, struct error *err)
{
    (void)err;
    return change_case(c, ret, tolower);
}

static char to_upper(char c)
{
    return (char)toupper((unsigned char)c);
}

static int run_title(const struct call *c, struct value *ret, struct error *err)
{
    char *text = template_text(&c->args[0]);
    bool is_start = true;

    (void)err;
    for (char *p = text; *p && !c->is_header; p++) {
        if (is_start)
            *p = to_upper(*p);
        is_start = *p == ' ';
    }
    return return_text(ret, text);
}

/* A number of characters from 0 to MAX_PAD. */
static int read_size(const struct call *c, size_t i, size_t *ret, struct error *err)
{
    json_int_t n = json_integer_value(c->args[i].json);

    if (!json_is_integer(c->args[i].json) || n < 0 || n > MAX_PAD)
        return refuse(c, err, "expected a number from 0 to 1000");
    *ret = (size_t)n;
    return 0;
}

static int run_pad(const struct call *c, struct value *ret, struct error *err)
{
    _cleanup_free_ char *text = template_text(&c->args[0]);
    size_t before = 0, after = 0;

    if (read_size(c, 1, &before, err) < 0 || read_size(c, 2, &after, err) < 0)
        return -EINVAL;
    if (*text == '\0')
        before = after = 0;
    return return_text(ret, xasprintf("%*s%s%*s", (int)before, "", text, (int)after, ""));
}

static int run_truncate(const struct call *c, struct value *ret, struct error *err)
{
    _cleanup_free_ char *text = template_text(&c->args[0]);
    size_t size = 0, n = 0;

    if (c->is_header)
        return return_value(ret, &c->args[0]);
    if (read_size(c, 1, &size, err) < 0)
        return -EINVAL;
    for (; text[n] && size > 0; size--) {
        n++;
        while (((unsigned char)text[n] & 0xc0) == 0x80)
            n++; /* whole characters */
    }
    return return_text(ret, xstrndup(text, n));
}

/* One step of index. Borrowed from `v`, or a new value in *made. */
static int index_once(
    const struct call *c, const json_t *v, const json_t *key, json_t **ret, struct error *err)
{
    if (json_is_object(v) && json_is_string(key)) {
        json_t *found = json_object_get(v, json_string_value(key));

        *ret = found ? json_incref(found) : json_string(""); /* Go's zero value of a text */
        return 0;
    }
    if (json_is_array(v) && json_is_integer(key)) {
        json_int_t i = json_integer_value(key);

        if (i < 0 || i >= (json_int_t)json_array_size(v))
            return refuse(c, err, "the list has no such element");
        *ret = json_incref(json_array_get(v, (size_t)i));
        return 0;
    }
    return refuse(c, err,
                  !v || json_is_null(v) ? "there is no value to index"
                                        : "this value has no such element");
}

static int run_index(const struct call *c, struct value *ret, struct error *err)
{
    json_t *v = c->args[0].json ? json_incref(c->args[0].json) : NULL;

    for (size_t i = 1; i < c->n_args; i++) {
        json_t *next = NULL;
        int r = index_once(c, v, c->args[i].json, &next, err);

        json_decref(v);
        if (r < 0)
            return r;
        v = next;
    }
    *ret = (struct value){.json = v, .is_safe = c->args[0].is_safe};
    return 0;
}

/* slice X FROM [TO]: of a text (bytes, as in Go) or a list. */
static int run_slice(const struct call *c, struct value *ret, struct error *err)
{
    const json_t *v = c->args[0].json;
    _cleanup_free_ char *text = json_is_string(v) ? template_text(&c->args[0]) : NULL;
    size_t size = text ? strlen(text) : json_array_size(v), from = 0, to = size;

    if (!text && !json_is_array(v))
        return refuse(c, err, "expected a text or a list");
    if (c->is_header)
        return return_value(ret, &c->args[0]);
    if ((c->n_args > 1 && read_size(c, 1, &from, err) < 0) ||
        (c->n_args > 2 && read_size(c, 2, &to, err) < 0))
        return -EINVAL;
    if (from > to || to > size)
        return refuse(c, err, "it is not that long");
    if (text)
        return return_text(ret, xstrndup(text + from, to - from));
    *ret = (struct value){.json = json_array(), .is_safe = c->args[0].is_safe};
    for (; from < to; from++)
        (void)json_array_append(ret->json, json_array_get(v, from));
    return 0;
}

static int run_len(const struct call *c, struct value *ret, struct error *err)
{
    const json_t *v = c->args[0].json;
    size_t n = 0;

    if (json_is_string(v)) {
        n = json_string_length(v);
    } else if (json_is_array(v)) {
        n = json_array_size(v);
    } else if (json_is_object(v)) {
        n = json_object_size(v);
    } else if (v && !json_is_null(v)) {
        return refuse(c, err, "this value has no length");
    }
    *ret = (struct value){.json = json_integer((json_int_t)n), .is_safe = true};
    return 0;
}

/* --- comparisons ------------------------------------------------------------------------------ */

static bool is_null(const json_t *v)
{
    return !v || json_is_null(v);
}

/* -EINVAL: values of different kinds. *ret: below, equal to or above 0. */
static int compare(const struct call *c, size_t i, bool orders, int *ret, struct error *err)
{
    const json_t *a = c->args[0].json, *b = c->args[i].json;

    if (json_is_number(a) && json_is_number(b)) {
        double x = json_number_value(a), y = json_number_value(b);

        *ret = (x > y) - (x < y);
    } else if (json_is_string(a) && json_is_string(b)) {
        *ret = strcmp(json_string_value(a), json_string_value(b));
    } else if (!orders && (is_null(a) || is_null(b))) {
        *ret = is_null(a) != is_null(b);
    } else if (!orders && json_is_boolean(a) && json_is_boolean(b)) {
        *ret = json_is_true(a) != json_is_true(b);
    } else {
        return refuse(c, err, "incompatible types for comparison");
    }
    return 0;
}

static int run_eq(const struct call *c, struct value *ret, struct error *err)
{
    bool is_equal = false;

    for (size_t i = 1; i < c->n_args; i++) {
        int difference = 0;

        if (compare(c, i, false, &difference, err) < 0)
            return -EINVAL;
        is_equal = is_equal || difference == 0;
    }
    return return_bool(ret, is_equal);
}

static int run_ne(const struct call *c, struct value *ret, struct error *err)
{
    int difference = 0;

    if (compare(c, 1, false, &difference, err) < 0)
        return -EINVAL;
    return return_bool(ret, difference != 0);
}

static int run_order(const struct call *c, struct value *ret, struct error *err)
{
    int difference = 0;
    bool is_less = c->name[0] == 'l', includes_equal = c->name[1] == 'e';

    if (compare(c, 1, true, &difference, err) < 0)
        return -EINVAL;
    return return_bool(ret, difference == 0 ? includes_equal : (difference < 0) == is_less);
}

static int run_not(const struct call *c, struct value *ret, struct error *err)
{
    (void)err;
    return return_bool(ret, !template_is_true(c->args[0].json));
}

/* The last argument that was evaluated has decided. */
static int run_last(const struct call *c, struct value *ret, struct error *err)
{
    (void)err;
    return return_value(ret, &c->args[c->n_args - 1]);
}

/* --- printing --------------------------------------------------------------------------------- */

/* print puts a blank between operands that are no texts, println between all. */
static int run_print(const struct call *c, struct value *ret, struct error *err)
{
    bool is_line = str_eq(c->name, "println");
    struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
    int r = 0;

    for (size_t i = 0; i < c->n_args && r == 0; i++) {
        _cleanup_free_ char *text = template_text(&c->args[i]);
        bool is_apart = i > 0 && (is_line || (!json_is_string(c->args[i].json) &&
                                              !json_is_string(c->args[i - 1].json)));

        r = is_apart ? buf_append_char(&out, ' ') : 0;
        r = r < 0 ? r : buf_append_str(&out, text);
    }
    if (r == 0 && is_line)
        r = buf_append_char(&out, '\n');
    if (r < 0)
        buf_done(&out);
    return r < 0 ? refuse(c, err, "the text is too long")
                 : return_text(ret, out.data ? buf_take(&out) : xstrdup(""));
}

static const struct function functions[] = {
    {"and",      1, ANY_NUMBER, run_last       },
    {"eq",       2, ANY_NUMBER, run_eq         },
    {"ge",       2, 2,          run_order      },
    {"gt",       2, 2,          run_order      },
    {"index",    1, ANY_NUMBER, run_index      },
    {"join",     2, 2,          run_join       },
    {"json",     1, 1,          run_json       },
    {"le",       2, 2,          run_order      },
    {"len",      1, 1,          run_len        },
    {"lower",    1, 1,          run_lower      },
    {"lt",       2, 2,          run_order      },
    {"ne",       2, 2,          run_ne         },
    {"not",      1, 1,          run_not        },
    {"or",       1, ANY_NUMBER, run_last       },
    {"pad",      3, 3,          run_pad        },
    {"print",    0, ANY_NUMBER, run_print      },
    {"printf",   1, ANY_NUMBER, template_printf},
    {"println",  0, ANY_NUMBER, run_print      },
    {"slice",    1, 3,          run_slice      },
    {"split",    2, 2,          run_split      },
    {"title",    1, 1,          run_title      },
    {"truncate", 2, 2,          run_truncate   },
    {"upper",    1, 1,          run_upper      },
};

const struct function *template_find_function(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        if (str_eq(functions[i].name, name))
            return &functions[i];
    }
    return NULL;
}
