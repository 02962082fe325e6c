#include "proto/json_text.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* The cost of a text to the parser; `depth` is the deepest level. */
struct shape {
    size_t depth, nodes;
};

/* Each bracket and each comma begins a node; the first value of a text is one more. */
static struct shape get_shape(const char *text, size_t size)
{
    struct shape shape = {.nodes = 1};
    size_t depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < size; i++) {
        if (in_string) {
            if (text[i] == '\\') {
                i++;
            } else if (text[i] == '"') {
                in_string = false;
            }
            continue;
        }
        if (text[i] == '"') {
            in_string = true;
        } else if (text[i] == '{' || text[i] == '[') {
            depth++;
            shape.nodes++;
        } else if (text[i] == ',') {
            shape.nodes++;
        } else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
            depth--;
        }
        if (depth > shape.depth)
            shape.depth = depth;
    }
    return shape;
}

size_t json_text_count_nodes(const char *text, size_t size)
{
    return get_shape(text, size).nodes;
}

static json_t *parse(
    const char *text, size_t size, size_t max_depth, size_t max_nodes, struct error *err)
{
    struct shape shape = get_shape(text, size);
    json_error_t why;
    json_t *v;

    if (shape.depth > max_depth) {
        (void)error_set(err, -EBADMSG, "JSON is nested deeper than %zu levels", max_depth);
        return NULL;
    }
    if (shape.nodes > max_nodes) {
        (void)error_set(err, -EMSGSIZE, "JSON has more than %zu values", max_nodes);
        return NULL;
    }

    v = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (!v)
        (void)error_set(err, -EBADMSG, "not valid JSON: %s (at byte %d)", why.text, why.position);
    return v;
}

json_t *json_text_parse(const char *text, size_t size, size_t max_depth, struct error *err)
{
    return parse(text, size, max_depth ? max_depth : JSON_TEXT_MAX_DEPTH, JSON_TEXT_MAX_NODES, err);
}

json_t *json_text_parse_small(const char *text, size_t size, size_t max_nodes, struct error *err)
{
    return parse(text, size, JSON_TEXT_MAX_DEPTH, max_nodes, err);
}

char *json_text_write(const json_t *v, size_t *ret_size)
{
    const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
    size_t size = json_dumpb(v, NULL, 0, flags);
    char *text = xmalloc(size + 1);

    (void)json_dumpb(v, text, size, flags);
    text[size] = '\0';
    if (ret_size)
        *ret_size = size;
    return text;
}

static char *replace_invalid(const char *s, size_t size, size_t *ret_size)
{
    static const char replacement[] = "\xef\xbf\xbd";
    char *out = xmalloc(3 * size + 1);
    size_t n = 0;

    for (size_t i = 0; i < size;) {
        size_t length = utf8_length(s + i, size - i);

        memcpy(out + n, length ? s + i : replacement, length ? length : 3);
        n += length ? length : 3;
        i += length ? length : 1;
    }
    out[n] = '\0';
    *ret_size = n;
    return out;
}

static json_t *need(json_t *v)
{
    if (!v)
        abort(); /* out of memory, the only possible failure */
    return v;
}

json_t *json_text_string(const char *s, size_t size)
{
    _cleanup_free_ char *clean = NULL;

    if (str_is_utf8(s, size))
        return need(json_stringn_nocheck(s, size));

    clean = replace_invalid(s, size, &size);
    return need(json_stringn_nocheck(clean, size));
}

json_t *json_text_str(const char *s)
{
    return s ? json_text_string(s, strlen(s)) : json_null();
}

const char *json_text_get(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
        return NULL;
    return json_string_value(v);
}

void json_text_set(json_t *object, const char *key, json_t *value)
{
    if (!json_is_object(object)) {
        log_error(NULL, "internal error: the member %s has no object", key);
        json_decref(value);
        return;
    }
    if (json_object_set_new_nocheck(object, key, value ? value : json_null()) < 0)
        abort(); /* out of memory, the only possible failure */
}
