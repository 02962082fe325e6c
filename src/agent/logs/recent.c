#include "agent/logs/recent.h"

/* FNV-1a of the line and its time. */
#define HASH_START UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

bool log_recent_has(struct log_recent *r, const struct log_line *line, int64_t newest_ns)
{
    uint64_t hash = (uint64_t)line->time_ns ^ HASH_START;
    bool is_rest = r->is_partial[line->stream]; /* parts of one line may be equal */

    for (size_t i = line->stamp_size; i < line->size; i++)
        hash = (hash ^ (unsigned char)line->text[i]) * HASH_PRIME;
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
