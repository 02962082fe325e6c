#include "agent/common/sender.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"
#include "proto/envelope.h"
#include "proto/json_text.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

int sender_append_with(struct buf *b, const json_t *object, const char *key, struct json_span text)
{
    size_t size;
    _cleanup_free_ char *head = json_text_write(object, &size);
    int r;

    r = buf_append(b, head, size - 1);
    if (r == 0)
        r = buf_printf(b, "%s\"%s\":", size > 2 ? "," : "", key);
    if (r == 0)
        r = buf_append(b, text.p, text.n);
    if (r == 0)
        r = buf_append_char(b, '}');
    return r;
}

bool sender_is_busy(const struct sender *s)
{
    return s->queued && s->queued(s->owner) > SENDER_STREAM_QUEUE;
}

int sender_send(const struct sender *s, json_t *object)
{
    size_t size;
    _cleanup_free_ char *text = json_text_write(object, &size);

    json_decref(object);
    return size > s->max_message ? -EMSGSIZE : s->send(s->owner, text, size);
}

int sender_send_with(const struct sender *s, json_t *object, const char *key, struct json_span text)
{
    struct buf b = BUF_INIT(s->max_message);
    int r;

    (void)json_object_del(object, key); /* a null placeholder of the encoder, if there is one */
    r = sender_append_with(&b, object, key, text);
    json_decref(object);
    if (r == 0)
        r = s->send(s->owner, buf_str(&b), b.size);
    buf_done(&b);
    return r;
}

int sender_send_event(const struct sender *s, const char *name, struct json_span payload)
{
    return sender_send_with(s, envelope_event(name, json_null(), time_utc_ms()), "payload",
                            payload);
}

static void try_reply_error(const struct sender *s, struct reply_to to, const struct reply_error *e)
{
    struct reply_error sent = *e;
    int r;

    if (!s->sends_codes)
        sent.code = CODE_NONE;
    r = sender_send(s, msg_reply_encode_error(to.kind, to.id, &sent, time_utc_ms()));

    if (r < 0)
        log_warn(LOG_FIELDS("id", to.id), "could not send a reply: %s", error_text(r));
}

static void check_sent(const struct sender *s, struct reply_to to, int r)
{
    _cleanup_free_ char *text = NULL;
    enum error_code code = CODE_INTERNAL_ERROR;

    if (r == 0)
        return;
    if (r == -EMSGSIZE) {
        code = CODE_REPLY_TOO_LARGE;
        text = xasprintf("the reply is larger than %zu bytes", s->max_message);
    } else {
        text = xasprintf("the reply could not be sent: %s", error_text(r));
    }
    try_reply_error(s, to, &(struct reply_error){.text = text, .code = code});
}

void sender_reply(const struct sender *s, struct reply_to to, json_t *fields)
{
    check_sent(s, to, sender_send(s, msg_reply_encode(to.kind, to.id, fields, time_utc_ms())));
}

/* Sends the reply to a command with a payload that contains one member of JSON text. */
static int send_nested(const struct sender *s,
                       struct reply_to to,
                       json_t *fields,
                       const char *key,
                       struct json_span text)
{
    struct buf payload = BUF_INIT(s->max_message);
    int r;

    r = sender_append_with(&payload, fields, key, text);
    json_decref(fields);
    if (r == 0) {
        r = sender_send_with(s, msg_reply_encode(to.kind, to.id, NULL, time_utc_ms()), "payload",
                             (struct json_span){buf_str(&payload), payload.size});
    }
    buf_done(&payload);
    return r;
}

void sender_reply_text(const struct sender *s,
                       struct reply_to to,
                       json_t *fields,
                       const char *key,
                       struct json_span text)
{
    json_t *object = fields ? fields : json_object();
    int r;

    if (to.kind == COMMAND_KIND_COMMAND && *key) {
        r = send_nested(s, to, object, key, text);
    } else if (to.kind == COMMAND_KIND_COMMAND) {
        json_decref(object);
        r = sender_send_with(s, msg_reply_encode(to.kind, to.id, NULL, time_utc_ms()), "payload",
                             text);
    } else {
        r = sender_send_with(s, msg_reply_encode(to.kind, to.id, object, time_utc_ms()), key, text);
    }
    check_sent(s, to, r);
}

void sender_reply_error(const struct sender *s, struct reply_to to, const struct reply_error *e)
{
    try_reply_error(s, to, e);
}

void sender_add_code(const struct sender *s, json_t *fields, enum error_code code)
{
    if (s->sends_codes && code)
        json_text_set(fields, "code", json_text_str(error_code_name(code)));
}
