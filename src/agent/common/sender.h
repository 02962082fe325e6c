#pragma once

/*
 * Outgoing messages of a session. Small ones are encoded from JSON trees; large ones (lists, logs,
 * inspects) from a tree and one member of JSON text, which is never parsed into a tree. A sender is
 * plain data that may be copied.
 */

#include "base/buf.h"
#include "docker/json_scan.h"
#include "proto/command.h"
#include "proto/reply.h"
#include <stdbool.h>
#include <stddef.h>

struct sender {
    int (*send)(void *owner, const char *text, size_t size);
    size_t (*queued)(void *owner); /* bytes in the queue; NULL: unknown */
    void *owner;
    size_t max_message;
    bool sends_codes; /* the server understands error codes */
};

/* Streams pause beyond this number of queued bytes, so that replies still fit. */
#define SENDER_STREAM_QUEUE ((size_t)1 << 20)
bool sender_is_busy(const struct sender *s);

/* Take ownership of `object`. -EMSGSIZE: larger than max_message; others are those of `send`. */
int sender_send(const struct sender *s, json_t *object) _nodiscard_;
int sender_send_with(const struct sender *s, json_t *object, const char *key, struct json_span text)
    _nodiscard_;

/* {"type":"event","command":name,"payload":<text>,"timestamp":...} */
int sender_send_event(const struct sender *s, const char *name, struct json_span payload)
    _nodiscard_;

/* Appends `object` with one more member of JSON text. -EMSGSIZE: `b` is too small. */
int sender_append_with(struct buf *b, const json_t *object, const char *key, struct json_span text)
    _nodiscard_;

/*
 * Replies. They take ownership of `fields`, which may be NULL. The text becomes one more field with
 * the name `key`; for a command an empty key makes it the whole payload. A reply that cannot be
 * sent is replaced by an error reply; if that fails, too, the failure is logged.
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
/* Sends the code of the error only to servers that understand it. */
void sender_reply_error(const struct sender *s, struct reply_to to, const struct reply_error *e);
/* The same for events about a failure: adds the member `code`, or nothing. */
void sender_add_code(const struct sender *s, json_t *fields, enum error_code code);
