#include "server/updates/rings.h"
#include "base/str.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define CANARY      "1,10%,rest"
#define TAGS        "tag:"
#define MAX_SIZE    100000
#define INVALID     "`rings` must be all, canary, host, tag:TAG,... or sizes such as 1,10%%,rest"
#define UNASSIGNED  0
#define MAX_PERCENT 100

static int parse_size(const char *word, struct rings *r)
{
    size_t length = strlen(word), value = 0;
    bool is_percent = length > 1 && word[length - 1] == '%';

    if (str_eq(word, "rest")) {
        r->parts[r->n].size = SIZE_MAX;
        return 0;
    }
    for (size_t i = 0; i < length - is_percent; i++) {
        if (word[i] < '0' || word[i] > '9' || value > MAX_SIZE)
            return -EDOM;
        value = value * 10 + (size_t)(word[i] - '0');
    }
    if (value == 0 || value > (is_percent ? MAX_PERCENT : MAX_SIZE))
        return -EDOM;
    r->parts[r->n].size = value;
    r->parts[r->n].is_percent = is_percent;
    return 0;
}

static int parse_word(const char *word, struct rings *r)
{
    bool is_after_rest = r->n > 0 && r->parts[r->n - 1].size == SIZE_MAX;

    if (str_is_empty(word) || r->n == RINGS_MAX_PARTS)
        return -EDOM;
    if (r->kind == RINGS_TAG) {
        if (strlen(word) >= sizeof(r->parts[0].tag))
            return -EDOM;
        str_copy(r->parts[r->n].tag, sizeof(r->parts[0].tag), word);
    } else if (is_after_rest || parse_size(word, r) < 0) {
        return -EDOM; /* nothing is left after the rest */
    }
    r->n++;
    return 0;
}

static int parse_words(const char *text, struct rings *r)
{
    char word[RINGS_MAX_TEXT];

    for (;;) {
        size_t length = strcspn(text, ",");

        if (length >= sizeof(word))
            return -EDOM;
        memcpy(word, text, length);
        word[length] = '\0';
        if (parse_word(word, r) < 0)
            return -EDOM;
        if (text[length] == '\0')
            return 0;
        text += length + 1;
    }
}

int rings_parse(const char *text, struct rings *ret, struct error *err)
{
    struct rings r = {.kind = RINGS_ALL};
    int code = 0;

    if (str_is_empty(text) || str_eq(text, "all")) {
        *ret = r;
        return 0;
    }
    if (str_eq(text, "host")) {
        r.kind = RINGS_HOST;
    } else if (str_starts_with(text, TAGS)) {
        r.kind = RINGS_TAG;
        code = parse_words(text + strlen(TAGS), &r);
    } else {
        r.kind = RINGS_SIZES;
        code = parse_words(str_eq(text, "canary") ? CANARY : text, &r);
    }
    if (code < 0)
        return error_set(err, -EDOM, INVALID);
    *ret = r;
    return 0;
}

static size_t assign_sizes(const struct rings *r, struct rings_subject *subjects, size_t n)
{
    size_t ring = 0, next = 0;

    for (size_t i = 0; i < r->n && next < n; i++) {
        size_t size = r->parts[i].size;

        if (r->parts[i].is_percent)
            size = (n * size + MAX_PERCENT - 1) / MAX_PERCENT;
        ring++;
        for (size_t k = 0; k < size && next < n; k++)
            subjects[next++].ring = ring;
    }
    if (next < n)
        ring++;
    while (next < n)
        subjects[next++].ring = ring;
    return ring;
}

static size_t assign_hosts(struct rings_subject *subjects, size_t n)
{
    size_t ring = 0;

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        while (k < i && !str_eq(subjects[k].host_id, subjects[i].host_id))
            k++;
        subjects[i].ring = k < i ? subjects[k].ring : ++ring;
    }
    return ring;
}

/* Gives the ring to all that have the tag (NULL: any) and are in none yet. Returns whether one was. */
static bool assign_tag(struct rings_subject *subjects, size_t n, const char *tag, size_t ring)
{
    bool is_used = false;

    for (size_t i = 0; i < n; i++) {
        struct rings_subject *s = &subjects[i];

        if (s->ring == UNASSIGNED && (!tag || s->has_tag(s, tag))) {
            s->ring = ring;
            is_used = true;
        }
    }
    return is_used;
}

size_t rings_assign(const struct rings *r, struct rings_subject *subjects, size_t n)
{
    size_t ring = 0;

    for (size_t i = 0; i < n; i++)
        subjects[i].ring = UNASSIGNED;
    if (r->kind == RINGS_SIZES)
        return assign_sizes(r, subjects, n);
    if (r->kind == RINGS_HOST)
        return assign_hosts(subjects, n);
    for (size_t i = 0; i < r->n; i++)
        ring += assign_tag(subjects, n, r->parts[i].tag, ring + 1);
    return ring + assign_tag(subjects, n, NULL, ring + 1);
}
