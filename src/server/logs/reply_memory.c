#include "server/logs/reply_memory.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

struct numbered_key {
    uint64_t key;
    size_t place;
};

static uint64_t key_of(const struct reply_line *line, bool has_times)
{
    uint64_t hash = HASH_START;

    /* The stream of a line with a time may be unknown in one reply only. */
    if (has_times) {
        hash = hash_bytes(hash, &line->time_ns, sizeof(line->time_ns));
    } else {
        hash = hash_bytes(hash, &line->kind, sizeof(line->kind));
    }
    return hash_bytes(hash, line->text, line->size);
}

static int compare_keys(const void *a, const void *b)
{
    const struct numbered_key *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* Returns the keys in their own order, to be freed. */
static struct numbered_key *sort_keys(const uint64_t *keys, size_t n)
{
    struct numbered_key *sorted = xcalloc(n ? n : 1, sizeof(*sorted));

    for (size_t i = 0; i < n; i++)
        sorted[i] = (struct numbered_key){keys[i], i};
    qsort(sorted, n, sizeof(*sorted), compare_keys);
    return sorted;
}

/* Lines of equal time and text are known as often as the last reply had them. */
static bool compare_times(const struct reply_memory *m,
                          struct reply_lines *lines,
                          const uint64_t *keys)
{
    _cleanup_free_ struct numbered_key *old = sort_keys(m->keys, m->n);
    _cleanup_free_ struct numbered_key *now = sort_keys(keys, lines->n);
    bool overlaps = false;

    for (size_t i = 0, k = 0; i < lines->n; i++) {
        struct reply_line *line = &lines->items[now[i].place];

        while (k < m->n && old[k].key < now[i].key)
            k++;
        if (k < m->n && old[k].key == now[i].key) {
            overlaps = true;
            k++;
        } else {
            line->is_new = line->time_ns >= m->oldest_ns; /* the window may have grown */
        }
    }
    return overlaps;
}

/* Whether the remembered lines, as far as they can be there, end before line `end`. */
static bool ends_at(const struct reply_memory *m, const uint64_t *keys, size_t end)
{
    size_t n = end < m->n ? end : m->n;

    return memcmp(keys + end - n, m->keys + m->n - n, n * sizeof(*keys)) == 0;
}

static bool compare_sequence(const struct reply_memory *m,
                             struct reply_lines *lines,
                             const uint64_t *keys,
                             bool is_whole)
{
    size_t end = lines->n;

    if (m->is_whole && is_whole && m->n <= lines->n && ends_at(m, keys, m->n)) {
        end = m->n;
    } else {
        while (end > 0 && !ends_at(m, keys, end))
            end--;
    }
    for (size_t i = end; i < lines->n; i++)
        lines->items[i].is_new = true;
    return end > 0;
}

static uint64_t *make_keys(const struct reply_lines *lines)
{
    uint64_t *keys = xcalloc(lines->n ? lines->n : 1, sizeof(*keys));

    for (size_t i = 0; i < lines->n; i++)
        keys[i] = key_of(&lines->items[i], lines->has_times);
    return keys;
}

bool reply_memory_compare(const struct reply_memory *m, struct reply_lines *lines, uint64_t tail)
{
    _cleanup_free_ uint64_t *keys = make_keys(lines);
    bool is_known;

    for (size_t i = 0; i < lines->n; i++)
        lines->items[i].is_new = false;
    if (m->n == 0 || lines->n == 0 || m->has_times != lines->has_times) {
        for (size_t i = 0; i < lines->n; i++)
            lines->items[i].is_new = true;
        return m->n == 0 || lines->n == 0;
    }
    is_known = lines->has_times ? compare_times(m, lines, keys)
                                : compare_sequence(m, lines, keys, lines->n < tail);
    return is_known;
}

void reply_memory_keep(struct reply_memory *m, const struct reply_lines *lines, uint64_t tail)
{
    free(m->keys);
    *m = (struct reply_memory){
        .keys = make_keys(lines),
        .n = lines->n,
        .has_reply = true,
        .has_times = lines->has_times,
        .is_whole = lines->n < tail,
        .oldest_ns = lines->n ? lines->items[0].time_ns : 0,
    };
}

void reply_memory_done(struct reply_memory *m)
{
    free(m->keys);
    *m = (struct reply_memory){0};
}
