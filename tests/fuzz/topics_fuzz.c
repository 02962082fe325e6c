#include "base/alloc.h"
#include "fuzz.h"
#include "server/feed/topics.h"

#include <assert.h>
#include <string.h>

/* Each line of the input adds a topic, or removes it if it begins with a minus. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = xstrndup((const char *)data, size);
    _cleanup_(topics_done) struct topics set = {0};
    size_t n = 0, sum = 0;
    char *rest = text;

    while (rest) {
        const char *line = strsep(&rest, "\n");
        bool is_removed = *line == '-';
        struct topic t;

        if (topic_parse(line + is_removed, &t, NULL) < 0)
            continue;
        assert(t.kind < TOPIC_KINDS && (t.host[0] || !t.container[0]));
        if (is_removed) {
            n -= topics_remove(&set, &t);
            assert(!topics_remove(&set, &t));
        } else {
            n += topics_add(&set, &t);
            assert(!topics_add(&set, &t));
            assert(set.items.size == TOPICS_MAX ||
                   topics_want(&set, t.kind, t.host[0] ? t.host : NULL,
                               t.container[0] ? t.container : NULL) ||
                   !t.host[0]);
        }
    }
    for (size_t k = 0; k < TOPIC_KINDS; k++)
        sum += set.n[k];
    assert(set.items.size == n && sum == n && n <= TOPICS_MAX);
    return 0;
}
