#include "agent/logs/recent.h"

#include "base/hash.h"

bool log_recent_has(struct log_recent *r, const struct log_line *line, int64_t newest_ns)
{
    uint64_t hash = hash_bytes((uint64_t)line->time_ns ^ HASH_START, line->text + line->stamp_size,
                               line->size - line->stamp_size);
    bool is_rest = r->is_partial[line->stream]; /* parts of one line may be equal */

    r->is_partial[line->stream] = line->is_partial;
    if (!is_rest && line->time_ns <= newest_ns) {
        for (size_t i = 0; i < LOG_RECENT_LINES; i++) {
            if (r->lines[i] == hash)
                return true;
        }
    }
    r->lines[r->n++ % LOG_RECENT_LINES] = hash;
    return false;
}
