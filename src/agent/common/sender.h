#pragma once

/*
 * Outgoing messages of a session: trees for small ones, and trees with one member of ready JSON text for
 * the large ones (lists, logs, inspects), which are never built as a tree. Plain data, copied freely.
 */

#include "base/buf.h"
#include "docker/json_scan.h"
#include "proto/command.h"
#include "proto/reply.h"
#include <stdbool.h>
#include <stddef.h>

struct sender {
    int (*send)(void *owner, const char *text, size_t size);
    size_t (*queued)(void *owner); /* bytes that wait to be sent; NULL: unknown */
    void *owner;
    size_t max_message;
    bool sends_codes; /* the server understands error codes */
};

/* Streams wait beyond this, so that they never take the room of replies. */
#define SENDER_STREAM_QUEUE ((size_t)1 << 20)
bool sender_is_busy(const struct sender *s);

/* Both take `object`. 0, or -EMSGSIZE (over max_message), or what `send` returned. */
int sender_send(const struct sender *s, json_t *object) _nodiscard_;
int sender_send_with(const struct sender *s, json_t *object, const char *key, struct json_span text)
    _nodiscard_;

/* {"type":"event","command":name,"payload":<text>,"timestamp":...} */
int sender_send_event(const struct sender *s, const char *name, struct json_span payload)
    _nodiscard_;

/* Appends `object` with one more member of ready text. -EMSGSIZE when `b` is too small. */
int sender_append_with(struct buf *b, const json_t *object, const char *key, struct json_span text)
    _nodiscard_;

/*
 * Replies. `fields` is taken and may be NULL. With `key` the text becomes one more field; for a command a
 * key of "" makes the text the whole payload. A reply that cannot be sent becomes an error reply; if that
 * fails, too, the failure is logged.
 */
struct reply_to {
    enum command_kind kind;
    const char *id;
};
void sender_reply(const struct sender *s, struct reply_to to, json_t *fields);
void sender_reply_text(const struct sender *s,
                       struct reply_to to,
                       json_t *fields,
                       const char *key,
                       struct json_span text);
/* The code of the error goes out only to servers that understand it. */
void sender_reply_error(const struct sender *s, struct reply_to to, const struct reply_error *e);
/* The same for events about a failure: adds the member `code`, or nothing. */
void sender_add_code(const struct sender *s, json_t *fields, enum error_code code);
