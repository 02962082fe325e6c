#include "cli/common/template_internal.h"

#include "base/alloc.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WIDTH     1000
#define MAX_PRECISION 100

/* "%-10.3s": what stands between the percent sign and the verb. */
struct spec {
    bool is_left, has_plus, has_zero, has_precision;
    uint64_t width, precision;
    char verb;
};

/* Reads up to the verb; *s is left behind it. -EINVAL: a number is too large. */
static int read_number(const char **s, uint64_t max, uint64_t *ret)
{
    size_t n = strspn(*s, "0123456789");
    _cleanup_free_ char *digits = xstrndup(*s, n);

    *s += n;
    *ret = 0;
    return n > 0 ? parse_u64(digits, max, ret) : 0;
}

static int read_spec(const char **s, struct spec *ret)
{
    *ret = (struct spec){0};
    for (; **s && strchr("-+0 #", **s); (*s)++) {
        ret->is_left = ret->is_left || **s == '-';
        ret->has_plus = ret->has_plus || **s == '+';
        ret->has_zero = ret->has_zero || **s == '0';
    }
    if (read_number(s, MAX_WIDTH, &ret->width) < 0)
        return -EINVAL;
    if (**s == '.') {
        (*s)++;
        ret->has_precision = true;
        if (read_number(s, MAX_PRECISION, &ret->precision) < 0)
            return -EINVAL;
    }
    ret->verb = **s;
    if (**s)
        (*s)++;
    return 0;
}

static const char *type_name(const json_t *v)
{
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_STRING: return "string";
    case JSON_INTEGER: return "int";
    case JSON_REAL: return "float64";
    case JSON_TRUE:
    case JSON_FALSE: return "bool";
    case JSON_ARRAY: return "[]interface {}";
    case JSON_OBJECT: return "map[string]interface {}";
    case JSON_NULL: break;
    }
    return "<nil>";
}

static char *quote(const char *text)
{
    json_t *v = json_string(text);
    char *quoted = json_dumps(v, JSON_ENCODE_ANY);

    json_decref(v);
    return quoted;
}

/* The argument by the verb, without padding; NULL: the verb does not fit. To be freed. */
static char *format_arg(const struct spec *spec, const struct value *v)
{
    const json_t *j = v->json;
    _cleanup_free_ char *text = template_text(v);
    double real = json_number_value(j);
    int precision = spec->has_precision ? (int)spec->precision : 6;
    json_int_t whole = json_integer_value(j);

    switch (spec->verb) {
    case 'v': return TAKE_PTR(text);
    case 's':
        if (!json_is_string(j) && !json_is_array(j) && !json_is_object(j))
            return NULL;
        return spec->has_precision ? xstrndup(text, spec->precision) : TAKE_PTR(text);
    case 'q': return json_is_string(j) ? quote(text) : NULL;
    case 't': return json_is_boolean(j) ? TAKE_PTR(text) : NULL;
    case 'T': return xstrdup(type_name(j));
    case 'd':
        if (!json_is_integer(j))
            return NULL;
        return xasprintf("%s%" JSON_INTEGER_FORMAT, spec->has_plus && whole >= 0 ? "+" : "", whole);
    case 'x': return json_is_integer(j) ? xasprintf("%" PRIx64, (uint64_t)whole) : NULL;
    case 'f': return json_is_real(j) ? xasprintf("%.*f", precision, real) : NULL;
    case 'e': return json_is_real(j) ? xasprintf("%.*e", precision, real) : NULL;
    case 'g': return json_is_real(j) ? TAKE_PTR(text) : NULL;
    default: return NULL;
    }
}

static int append_padded(struct buf *out, const struct spec *spec, const char *text)
{
    size_t size = str_is_utf8(text, strlen(text)) ? str_code_points(text) : strlen(text);
    size_t gap = spec->width > size ? spec->width - size : 0;
    bool is_zero = spec->has_zero && !spec->is_left && strchr("dxfe", spec->verb);
    int r = 0;

    for (size_t i = 0; i < gap && !spec->is_left && r == 0; i++)
        r = buf_append_char(out, is_zero ? '0' : ' ');
    r = r < 0 ? r : buf_append_str(out, text);
    for (size_t i = 0; i < gap && spec->is_left && r == 0; i++)
        r = buf_append_char(out, ' ');
    return r;
}

/* Reads one "%..." behind the percent sign. Mistakes are printed as Go prints them. */
static int append_arg(const struct call *c, const char **s, size_t *next, struct buf *out)
{
    struct spec spec;
    _cleanup_free_ char *text = NULL;

    if (read_spec(s, &spec) < 0)
        return -EINVAL;
    if (spec.verb == '%')
        return buf_append_char(out, '%');
    if (spec.verb == '\0')
        return buf_append_str(out, "%!(NOVERB)");
    if (*next >= c->n_args)
        return buf_printf(out, "%%!%c(MISSING)", spec.verb);
    text = format_arg(&spec, &c->args[*next]);
    if (!text) {
        const struct value *v = &c->args[*next];
        _cleanup_free_ char *plain = template_text(v);

        (*next)++;
        return buf_printf(out, "%%!%c(%s=%s)", spec.verb, type_name(v->json), plain);
    }
    (*next)++;
    return append_padded(out, &spec, text);
}

int template_printf(const struct call *c, struct value *ret, struct error *err)
{
    const char *format = json_string_value(c->args[0].json);
    struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT);
    size_t next = 1;
    int r = 0;

    if (!format)
        return template_refuse(c->t, c->position, err, "printf: the format is not a text");
    while (*format && r == 0) {
        size_t n = strcspn(format, "%");

        r = buf_append(&out, format, n);
        format += n;
        if (*format && r == 0) {
            format++;
            r = append_arg(c, &format, &next, &out);
        }
    }
    for (; next < c->n_args && r == 0; next++) {
        _cleanup_free_ char *text = template_text(&c->args[next]);

        r = buf_printf(&out, "%%!(EXTRA %s=%s)", type_name(c->args[next].json), text);
    }
    if (r < 0) {
        buf_done(&out);
        return template_refuse(c->t, c->position, err, "printf: too long, or a width above %d",
                               MAX_WIDTH);
    }
    *ret = (struct value){.json = json_stringn(out.data ? out.data : "", out.size),
                          .is_safe = true};
    buf_done(&out);
    if (!ret->json)
        ret->json = json_string("");
    return 0;
}
