#pragma once

/*
 * The envelope of messages on an authenticated link: the events of agents, and the members that a
 * receiver needs to choose a decoder.
 */

#include "base/macros.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The member "type", or "". Borrowed. */
const char *envelope_type(const json_t *message);
/* Whether the message answers a command: it has a correlation_id, or is a "response" with an id. */
bool envelope_is_reply(const json_t *message);
/* The member "command" of an event, or "". Borrowed. */
const char *envelope_event_name(const json_t *message);
/* The member "payload", or NULL. Borrowed. */
const json_t *envelope_payload(const json_t *message);

/*
 * {"type":"event","command":name,"payload":...,"timestamp":...}; takes ownership of `payload`.
 */
json_t *envelope_event(const char *name, json_t *payload, int64_t now_ms) _nodiscard_;

/*
 * Returns a payload of a stream: `fields`, which it takes ownership of and which may be NULL, with
 * ID and action.
 */
json_t *envelope_part(const char *id_key, const char *id, const char *action, json_t *fields)
    _nodiscard_;
/* {"type":type,"payload":...}, for messages to the agent; takes ownership of `payload`. */
json_t *envelope_message(const char *type, json_t *payload) _nodiscard_;
