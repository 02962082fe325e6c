#pragma once

/*
 * What is common to all messages of an authenticated link: the agent's event envelope and the questions
 * a receiver asks before it looks up the decoder.
 */

#include "base/macros.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The "type", "" when there is none. Borrowed. */
const char *envelope_type(const json_t *message);
/* A message that answers a command: it has a correlation_id, or is a "response" with an id. */
bool envelope_is_reply(const json_t *message);
/* The "command" of an event, "" when there is none. Borrowed. */
const char *envelope_event_name(const json_t *message);
/* The "payload", NULL when absent. Borrowed. */
const json_t *envelope_payload(const json_t *message);

/* {"type":"event","command":name,"payload":...,"timestamp":...}; takes `payload`. */
json_t *envelope_event(const char *name, json_t *payload, int64_t now_ms) _nodiscard_;

/* What the payloads of a stream have in common: `fields`, which is taken and may be NULL, with id and action. */
json_t *envelope_part(const char *id_key, const char *id, const char *action, json_t *fields)
    _nodiscard_;
/* {"type":type,"payload":...} with such a payload, for messages to the agent; takes `payload`. */
json_t *envelope_message(const char *type, json_t *payload) _nodiscard_;
