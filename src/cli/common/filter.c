#include "cli/common/filter.h"

#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/common/member.h"
#include "cli/common/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LIST 512

static const struct filter_key *find_key(const struct filter_key *keys, const char *word)
{
    size_t size = strcspn(word, "=");

    for (; keys->name && word[size] == '='; keys++) {
        if (strlen(keys->name) == size && strncmp(word, keys->name, size) == 0)
            return keys;
    }
    return NULL;
}

static int refuse_key(const struct filter_key *keys, const char *word, struct error *err)
{
    struct buf names = BUF_INIT(MAX_LIST);
    int r;

    for (; keys->name; keys++)
        (void)buf_printf(&names, "%s%s=", names.size ? ", " : "", keys->name);
    r = error_set(err, -EINVAL, "--filter: \"%s\" is not one of %s", word, buf_str(&names));
    buf_done(&names);
    return r;
}

static int refuse_value(const struct filter *f, const char *expected, struct error *err)
{
    return error_set(err, -EINVAL, "--filter: \"%s\" is not a possible value of %s=; give %s",
                     f->value, f->key->name, expected);
}

static bool is_word(const char *words, const char *value)
{
    size_t size = strlen(value);

    while (*words) {
        size_t n = strcspn(words, " ");

        if (n == size && strncmp(words, value, n) == 0)
            return true;
        words += n + (words[n] == ' ');
    }
    return false;
}

static int parse_pattern(struct filter *f, struct error *err)
{
    if (*f->value && regcomp(&f->pattern, f->value, REG_EXTENDED | REG_NOSUB) == 0)
        return 0;
    return refuse_value(f, "a name or a regular expression", err);
}

/* "80", "80/udp", "8000-8080": without a protocol it is tcp, as with docker. */
static int parse_port(struct filter *f, struct error *err)
{
    static const char expected[] = "PORT, PORT-PORT or PORT/udp";
    size_t size = strcspn(f->value, "/");
    _cleanup_free_ char *ports = xstrndup(f->value, size);
    char *last = strchr(ports, '-');
    uint64_t from = 0, to = 0;

    if (last)
        *last++ = '\0';
    if (parse_u64(ports, UINT16_MAX, &from) < 0 ||
        parse_u64(last ? last : ports, UINT16_MAX, &to) < 0 || from > to ||
        (f->value[size] && !is_word("tcp udp sctp", f->value + size + 1)))
        return refuse_value(f, expected, err);
    f->first_port = (uint16_t)from;
    f->last_port = (uint16_t)to;
    str_copy(f->protocol, sizeof(f->protocol), f->value[size] ? f->value + size + 1 : "tcp");
    return 0;
}

static int parse_time(struct filter *f, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    int r = text_parse_time(f->value, time_utc_ms(), &text, err);

    if (r == 0)
        r = time_parse_ns(text, &f->number);
    return r < 0 ? error_wrap(err, r, "--filter %s", f->key->name) : 0;
}

static int parse_value(struct filter *f, struct error *err)
{
    bool is_true = false;

    if (f->key->words && !is_word(f->key->words, f->value))
        return refuse_value(f, f->key->words, err);
    switch (f->key->type) {
    case FILTER_TEXT:
    case FILTER_REF: return *f->value ? 0 : refuse_value(f, "a value", err);
    case FILTER_PATTERN: return parse_pattern(f, err);
    case FILTER_PORT: return parse_port(f, err);
    case FILTER_TIME: return parse_time(f, err);
    case FILTER_NUMBER:
        return parse_i64(f->value, &f->number) < 0 ? refuse_value(f, "a number", err) : 0;
    case FILTER_BOOL:
        if (parse_bool(f->value, &is_true) < 0)
            return refuse_value(f, "true or false", err);
        f->number = is_true;
        return 0;
    }
    return -EINVAL;
}

static int parse_filter(const struct filter_key *keys,
                        const char *word,
                        struct filter *f,
                        struct error *err)
{
    f->key = find_key(keys, word);
    if (!f->key)
        return refuse_key(keys, word, err);
    f->value = strchr(word, '=') + 1;
    return parse_value(f, err);
}

int filters_parse(const struct filter_key *keys,
                  const struct args_list *words,
                  struct filters *ret,
                  struct error *err)
{
    struct filters f = {0};

    if (words->n > FILTERS_MAX)
        return error_set(err, -EINVAL, "--filter: at most %d filters are possible", FILTERS_MAX);
    f.items = xcalloc(words->n ? words->n : 1, sizeof(*f.items));
    for (size_t i = 0; i < words->n; i++) {
        struct filter item = {0};
        int r = parse_filter(keys, words->items[i], &item, err);

        if (r < 0) {
            filters_done(&f);
            return r;
        }
        f.items[f.n++] = item;
    }
    *ret = f;
    return 0;
}

void filters_done(struct filters *f)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->items[i].key && f->items[i].key->type == FILTER_PATTERN)
            regfree(&f->items[i].pattern);
        json_decref(f->items[i].found);
    }
    free(TAKE_PTR(f->items));
    f->n = 0;
}

static bool matches_key(const struct filters *f, const struct filter_key *key, const json_t *e)
{
    bool matches_one = false, matches_all = true;

    for (size_t i = 0; i < f->n; i++) {
        if (f->items[i].key != key)
            continue;
        if (key->matches(e, &f->items[i])) {
            matches_one = true;
        } else {
            matches_all = false;
        }
    }
    return key->must_all ? matches_all : matches_one;
}

bool filters_match(const struct filters *f, const json_t *element)
{
    for (size_t i = 0; i < f->n; i++) {
        if (!matches_key(f, f->items[i].key, element))
            return false;
    }
    return true;
}

bool filters_have(const struct filters *f, const char *key)
{
    for (size_t i = 0; i < f->n; i++) {
        if (str_eq(f->items[i].key->name, key))
            return true;
    }
    return false;
}

bool filter_match_text(const char *text, const struct filter *f)
{
    return regexec(&f->pattern, text, 0, NULL, 0) == 0;
}

bool filter_match_label(const json_t *element, const struct filter *f)
{
    const char *equals = strchr(f->value, '=');
    size_t size = equals ? (size_t)(equals - f->value) : strlen(f->value);
    _cleanup_free_ char *name = xstrndup(f->value, size);
    const json_t *value = json_object_get(json_object_get(element, "labels"), name);

    return value && (!equals || str_eq(json_string_value(value), equals + 1));
}

int64_t filter_created_ns(const json_t *element)
{
    int64_t ns;

    return time_parse_ns(member_text(element, "created"), &ns) == 0 ? ns : 0;
}

bool filter_match_before(const json_t *element, const struct filter *f)
{
    return filter_created_ns(element) < f->number;
}

bool filter_match_since(const json_t *element, const struct filter *f)
{
    return filter_created_ns(element) > f->number;
}
