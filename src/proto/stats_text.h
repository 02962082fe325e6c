#pragma once

/*
 * A reader of the text of container_stats messages that builds no JSON tree. It knows the form in
 * which DockMon's agents send them, one sample per container and second, and leaves all other texts
 * to the tree: what it accepts, msg_container_stats_decode() reads with the same result.
 */

#include "proto/stats.h"

/* A message whose texts are in the struct: it must not be given to msg_container_stats_done(). */
struct stats_text {
    struct msg_container_stats m;
    char container_id[129], container_name[257], timestamp[65];
};

/*
 * Reads a whole message {"type":"event","command":"container_stats","payload":{...}}. False: the
 * text is another message, or has another form; *ret is undefined.
 */
bool stats_text_read(const char *text, size_t size, struct stats_text *ret) _nodiscard_;
/* The same of the payload alone, as on the second channel of today's agents. */
bool stats_text_read_payload(const char *text, size_t size, struct stats_text *ret) _nodiscard_;
