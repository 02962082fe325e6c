#include "proto/codec.h"

#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ELLIPSIS "\u2026"
#define WHY_SIZE 96

static void *member(const void *base, const struct field *f)
{
    return (char *)(uintptr_t)base + f->offset;
}

int codec_error(struct error *err, int code, const char *field, const char *why)
{
    return error_set(err, code, "%s (field: %s)", why, field);
}

void strings_done(struct strings *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->items[i]);
    free(TAKE_PTR(s->items));
    s->n = 0;
}

void strings_add(struct strings *s, const char *item)
{
    s->items = xrealloc(s->items, s->n + 1, sizeof(*s->items));
    s->items[s->n++] = xstrdup(item);
}

static size_t max_length(const struct field *f)
{
    if (f->type != FIELD_STRING)
        return CODEC_MAX_ITEM;
    return f->max > 0 ? (size_t)f->max : CODEC_MAX_STRING;
}

static bool is_too_long(const struct field *f, const char *s)
{
    return (f->flags & FIELD_POINTS ? str_code_points(s) : strlen(s)) > max_length(f);
}

/* Returns a copy of a string, which FIELD_CUT shortens to its maximum. */
static char *copy_string(const struct field *f, const char *s)
{
    size_t max = max_length(f), size = strlen(s), points = 0, n = 0;

    if (!(f->flags & FIELD_CUT) || !is_too_long(f, s))
        return xstrdup(s);
    if (!(f->flags & FIELD_POINTS))
        return xasprintf("%.*s" ELLIPSIS, (int)str_cut(s, size, max - strlen(ELLIPSIS)), s);
    for (; points < max; n++)
        points += ((unsigned char)s[n] & 0xc0) != 0x80;
    return xasprintf("%.*s" ELLIPSIS, (int)n - 1, s);
}

static int check_length(const struct field *f, const json_t *v, struct error *err)
{
    bool is_item = f->type != FIELD_STRING;
    bool by_points = f->flags & FIELD_POINTS && !is_item;
    size_t size = json_string_length(v);
    size_t max = max_length(f);
    char why[WHY_SIZE];

    if (f->flags & FIELD_CUT && !is_item)
        return 0;
    if (by_points)
        size = str_code_points(json_string_value(v));
    if (size <= max)
        return 0;

    (void)snprintf(why, sizeof(why), "String should have at most %zu %s", max,
                   by_points ? "characters" : "bytes");
    return codec_error(err, -EMSGSIZE, f->name, why);
}

/* Checks the rules for every string, including those in arrays and maps. */
static int check_string(const struct field *f, const json_t *v, struct error *err)
{
    const char *why = NULL;
    int r;

    if (!json_is_string(v))
        return codec_error(err, -EINVAL, f->name, "Input should be a valid string");
    if (strlen(json_string_value(v)) != json_string_length(v))
        return codec_error(err, -EINVAL, f->name, "String should not contain a NUL character");
    if (json_string_length(v) == 0 && f->type == FIELD_STRING && f->flags & FIELD_NON_EMPTY)
        return codec_error(err, -EINVAL, f->name, "String should have at least 1 character");

    r = check_length(f, v, err);
    if (r < 0)
        return r;
    if (f->check) {
        r = f->check(json_string_value(v), &why);
        if (r < 0)
            return codec_error(err, r, f->name, why);
    }
    return 0;
}

static int check_count(const struct field *f, size_t n, struct error *err)
{
    size_t max = f->max > 0 ? (size_t)f->max : CODEC_MAX_ITEMS;
    char why[WHY_SIZE];

    if (n == 0 && f->flags & FIELD_NON_EMPTY)
        return codec_error(err, -EINVAL, f->name, "Input should not be empty");
    if (n > max) {
        (void)snprintf(why, sizeof(why), "Input should have at most %zu items", max);
        return codec_error(err, -EMSGSIZE, f->name, why);
    }
    return 0;
}

static int read_integer(const struct field *f, const json_t *v, int64_t *ret)
{
    double real = json_real_value(v);

    if (json_is_integer(v)) {
        *ret = json_integer_value(v);
        return 0;
    }
    if (json_is_real(v) && f->flags & (FIELD_LAX | FIELD_TRUNCATE)) {
        /* 2^63 is exact in floating point. */
        if (!(real >= -0x1p63 && real < 0x1p63))
            return -EINVAL;
        *ret = (int64_t)real;
        return f->flags & FIELD_TRUNCATE || fpclassify(trunc(real) - real) == FP_ZERO ? 0 : -EINVAL;
    }
    if (!(f->flags & FIELD_LAX))
        return -EINVAL;
    if (json_is_boolean(v)) {
        *ret = json_is_true(v);
        return 0;
    }
    return json_is_string(v) ? parse_i64(json_string_value(v), ret) : -EINVAL;
}

static int decode_integer(const struct field *f, const json_t *v, int64_t *ret, struct error *err)
{
    int64_t max = f->max ? f->max : INT64_MAX;
    int64_t number = 0;
    char why[WHY_SIZE];

    if (read_integer(f, v, &number) < 0)
        return codec_error(err, -EINVAL, f->name, "Input should be a valid integer");
    if (number < f->min) {
        (void)snprintf(why, sizeof(why), "Input should be greater than %lld",
                       (long long)f->min - 1);
        return codec_error(err, -EINVAL, f->name, why);
    }
    if (number > max) {
        (void)snprintf(why, sizeof(why), "Input should be less than or equal to %lld",
                       (long long)max);
        return codec_error(err, -EINVAL, f->name, why);
    }
    *ret = number;
    return 0;
}

static int decode_double(const struct field *f, const json_t *v, double *ret, struct error *err)
{
    if (!json_is_number(v))
        return codec_error(err, -EINVAL, f->name, "Input should be a valid number");
    *ret = json_number_value(v);
    return 0;
}

static int read_bool_word(const char *s, bool *ret)
{
    static const char *const words[][2] = {
        {"false", "true"},
        {"0",     "1"   },
        {"f",     "t"   },
        {"n",     "y"   },
        {"no",    "yes" },
        {"off",   "on"  },
    };

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        for (size_t k = 0; k < 2; k++) {
            if (strcasecmp(s, words[i][k]) == 0) {
                *ret = k == 1;
                return 0;
            }
        }
    }
    return -EINVAL;
}

static int read_bool(const struct field *f, const json_t *v, bool *ret)
{
    double number = json_number_value(v);

    if (json_is_boolean(v)) {
        *ret = json_is_true(v);
        return 0;
    }
    if (!(f->flags & FIELD_LAX))
        return -EINVAL;

    if (json_is_string(v))
        return read_bool_word(json_string_value(v), ret);
    *ret = number > 0.5;
    return json_is_number(v) && fpclassify(number - (*ret ? 1.0 : 0.0)) == FP_ZERO ? 0 : -EINVAL;
}

static int decode_bool(const struct field *f, const json_t *v, bool *ret, struct error *err)
{
    if (read_bool(f, v, ret) < 0)
        return codec_error(err, -EINVAL, f->name, "Input should be a valid boolean");
    return 0;
}

static int decode_strings(const struct field *f,
                          const json_t *v,
                          struct strings *ret,
                          struct error *err)
{
    int r;

    if (!json_is_array(v))
        return codec_error(err, -EINVAL, f->name, "Input should be a valid list");
    r = check_count(f, json_array_size(v), err);

    for (size_t i = 0; r == 0 && i < json_array_size(v); i++) {
        const json_t *item = json_array_get(v, i);

        r = check_string(f, item, err);
        if (r == 0)
            strings_add(ret, json_string_value(item));
    }
    return r;
}

static int decode_map(const struct field *f, const json_t *v, json_t **ret, struct error *err)
{
    json_t *out;
    int r;

    if (!json_is_object(v))
        return codec_error(err, -EINVAL, f->name, "Input should be a valid dictionary");
    r = f->flags & FIELD_CUT ? 0 : check_count(f, json_object_size(v), err);

    out = json_object();
    for (void *i = json_object_iter((json_t *)(uintptr_t)v); r == 0 && i;
         i = json_object_iter_next((json_t *)(uintptr_t)v, i)) {
        json_t *value = json_object_iter_value(i);
        bool flag = false;

        if (f->type == FIELD_BOOL_MAP) {
            r = decode_bool(f, value, &flag, err);
        } else {
            r = check_string(f, value, err);
        }
        if (r < 0 && f->flags & FIELD_CUT && json_is_string(value)) {
            r = 0;
            continue;
        }
        if (f->flags & FIELD_CUT && json_object_size(out) == CODEC_MAX_ITEMS)
            break;
        if (r == 0) {
            json_text_set(out, json_object_iter_key(i),
                          f->type == FIELD_BOOL_MAP ? json_boolean(flag) : json_incref(value));
        }
    }
    if (r < 0) {
        json_decref(out);
        return r;
    }
    *ret = out;
    return 0;
}

static int decode_json(const struct field *f, json_t *v, json_t **ret, struct error *err)
{
    int r = 0;

    if (f->type == FIELD_OBJECT && !json_is_object(v))
        return codec_error(err, -EINVAL, f->name, "Input should be a valid dictionary");
    if (f->type == FIELD_ARRAY && !json_is_array(v))
        return codec_error(err, -EINVAL, f->name, "Input should be a valid list");
    if (f->type == FIELD_ARRAY)
        r = check_count(f, json_array_size(v), err);
    if (r == 0)
        *ret = json_incref(v);
    return r;
}

static int decode_field(const struct field *f, json_t *v, void *ret, struct error *err)
{
    void *m = member(ret, f);
    int64_t number = 0;
    int r;

    switch (f->type) {
    case FIELD_STRING:
        r = check_string(f, v, err);
        if (r == 0)
            *(char **)m = copy_string(f, json_string_value(v));
        return r;
    case FIELD_I64: return decode_integer(f, v, m, err);
    case FIELD_U64:
        r = decode_integer(f, v, &number, err);
        if (r == 0 && number < 0)
            r = codec_error(err, -EINVAL, f->name, "Input should be greater than -1");
        if (r == 0)
            *(uint64_t *)m = (uint64_t)number;
        return r;
    case FIELD_DOUBLE: return decode_double(f, v, m, err);
    case FIELD_BOOL: return decode_bool(f, v, m, err);
    case FIELD_STRINGS: return decode_strings(f, v, m, err);
    case FIELD_BOOL_MAP:
    case FIELD_STRING_MAP: return decode_map(f, v, m, err);
    case FIELD_OBJECT:
    case FIELD_ARRAY:
    case FIELD_JSON: return decode_json(f, v, m, err);
    }
    return -EINVAL;
}

int codec_decode(const struct field *f, size_t n, const json_t *v, void *ret, struct error *err)
{
    int r = 0;

    if (!json_is_object(v))
        return error_set(err, -EINVAL, "Input should be an object");

    for (size_t i = 0; i < n && r == 0; i++) {
        json_t *m = json_object_get(v, f[i].name);

        if (m && !json_is_null(m)) {
            r = decode_field(&f[i], m, ret, err);
        } else if (f[i].flags & FIELD_REQUIRED) {
            r = codec_error(err, -EINVAL, f[i].name, "Field required");
        }
    }
    if (r < 0)
        codec_done(f, n, ret);
    return r;
}

static json_t *encode_strings(const struct strings *s)
{
    json_t *array = json_array();

    for (size_t i = 0; i < s->n; i++) {
        if (json_array_append_new(array, json_text_str(s->items[i])) < 0)
            abort(); /* out of memory */
    }
    return array;
}

static json_t *encode_string(const struct field *f, const char *s)
{
    _cleanup_free_ char *text = s ? copy_string(f, s) : NULL;

    return json_text_str(text);
}

static json_t *encode_json(json_t *v)
{
    return v ? json_incref(v) : json_null();
}

static json_t *encode_field(const struct field *f, const void *msg)
{
    const void *m = member(msg, f);

    switch (f->type) {
    case FIELD_STRING: return encode_string(f, *(char *const *)m);
    case FIELD_I64: return json_integer(*(const int64_t *)m);
    case FIELD_U64: return json_integer((json_int_t) * (const uint64_t *)m);
    case FIELD_DOUBLE: return json_real(*(const double *)m);
    case FIELD_BOOL: return json_boolean(*(const bool *)m);
    case FIELD_STRINGS: return encode_strings(m);
    case FIELD_BOOL_MAP:
    case FIELD_STRING_MAP:
    case FIELD_OBJECT:
    case FIELD_ARRAY:
    case FIELD_JSON: return encode_json(*(json_t *const *)m);
    }
    return json_null();
}

static bool is_empty(const struct field *f, const void *msg)
{
    const void *m = member(msg, f);
    const json_t *v;

    switch (f->type) {
    case FIELD_STRING: return str_is_empty(*(char *const *)m);
    case FIELD_I64: return *(const int64_t *)m == 0;
    case FIELD_U64: return *(const uint64_t *)m == 0;
    case FIELD_DOUBLE: return fpclassify(*(const double *)m) == FP_ZERO;
    case FIELD_BOOL: return !*(const bool *)m;
    case FIELD_STRINGS: return ((const struct strings *)m)->n == 0;
    case FIELD_BOOL_MAP:
    case FIELD_STRING_MAP:
    case FIELD_OBJECT:
    case FIELD_ARRAY:
    case FIELD_JSON:
        v = *(json_t *const *)m;
        return !v || (json_is_object(v) && json_object_size(v) == 0) ||
               (json_is_array(v) && json_array_size(v) == 0);
    }
    return true;
}

json_t *codec_encode(const struct field *f, size_t n, const void *msg)
{
    json_t *o = json_object();

    for (size_t i = 0; i < n; i++) {
        if (!(f[i].flags & FIELD_OMIT_EMPTY) || !is_empty(&f[i], msg))
            json_text_set(o, f[i].name, encode_field(&f[i], msg));
    }
    return o;
}

void codec_done(const struct field *f, size_t n, void *msg)
{
    for (size_t i = 0; i < n; i++) {
        void *m = member(msg, &f[i]);

        switch (f[i].type) {
        case FIELD_STRING: free(TAKE_PTR(*(char **)m)); break;
        case FIELD_STRINGS: strings_done(m); break;
        case FIELD_BOOL_MAP:
        case FIELD_STRING_MAP:
        case FIELD_OBJECT:
        case FIELD_ARRAY:
        case FIELD_JSON: json_decref(TAKE_PTR(*(json_t **)m)); break;
        case FIELD_I64:
        case FIELD_U64:
        case FIELD_DOUBLE:
        case FIELD_BOOL: break;
        }
    }
}

/* Whether decode_map() leaves out texts of a map with FIELD_CUT. */
static bool is_map_cut(const struct field *f, const json_t *map)
{
    const char *name;
    json_t *v;

    if (json_object_size(map) > CODEC_MAX_ITEMS)
        return true;
    json_object_foreach((json_t *)(uintptr_t)map, name, v)
    {
        if (json_is_string(v) && check_string(f, v, NULL) < 0)
            return true;
    }
    return false;
}

const char *codec_find_cut(const struct field *f, size_t n, const json_t *v)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_object_get(v, f[i].name);
        const char *text = json_string_value(value);

        if (!(f[i].flags & FIELD_CUT))
            continue;
        if (text && f[i].type == FIELD_STRING && is_too_long(&f[i], text))
            return f[i].name;
        if (f[i].type == FIELD_STRING_MAP && is_map_cut(&f[i], value))
            return f[i].name;
    }
    return NULL;
}
