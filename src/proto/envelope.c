#include "proto/envelope.h"

#include "base/time.h"
#include "proto/json_text.h"

#include <string.h>

static const char *text(const json_t *message, const char *key)
{
    const char *s = json_text_get(message, key);

    return s ? s : "";
}

const char *envelope_type(const json_t *message)
{
    return text(message, "type");
}

bool envelope_is_reply(const json_t *message)
{
    if (json_object_get(message, "correlation_id"))
        return true;
    return strcmp(envelope_type(message), "response") == 0 && json_object_get(message, "id");
}

const char *envelope_event_name(const json_t *message)
{
    return text(message, "command");
}

const json_t *envelope_payload(const json_t *message)
{
    return json_object_get(message, "payload");
}

json_t *envelope_event(const char *name, json_t *payload, int64_t now_ms)
{
    char now[TIME_TEXT_SIZE];
    json_t *o = json_object();

    json_text_set(o, "type", json_text_str("event"));
    json_text_set(o, "command", json_text_str(name));
    json_text_set(o, "payload", payload);
    json_text_set(o, "timestamp", json_text_str(time_format_ms(now_ms, now)));
    return o;
}

json_t *envelope_part(const char *id_key, const char *id, const char *action, json_t *fields)
{
    json_t *payload = fields ? fields : json_object();

    json_text_set(payload, id_key, json_text_str(id));
    json_text_set(payload, "action", json_text_str(action));
    return payload;
}

json_t *envelope_message(const char *type, json_t *payload)
{
    json_t *message = json_object();

    json_text_set(message, "type", json_text_str(type));
    json_text_set(message, "payload", payload);
    return message;
}
