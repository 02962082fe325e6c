#pragma once

/*
 * Channels: exchanges that the server opens on the link under an id of its own, and that last until
 * one side ends them. Shells and followed logs are channels. All channels end with their session.
 *
 * Each kind has one set per session. The set finds a channel by its ID and counts channels; the
 * owner of the set decides how many it allows. A channel is a member of the object that it belongs
 * to: that object is freed by its own module, and channel_done() takes it out of the set. The set
 * is done after its last channel.
 */

#include "agent/common/sender.h"
#include "base/list.h"

struct channel_kind {
    const char *name;   /* for the log: "log follow" */
    const char *field;  /* of the log, with the id: "stream" */
    const char *event;  /* the name of the agent's events: "shell_data" */
    const char *id_key; /* the member of their payloads that holds the id: "session_id" */
};

struct channel_set {
    const struct channel_kind *kind;
    struct sender sender;
    struct list list;
    size_t n;
    bool is_closing; /* for the owner: no further channel may be opened */
};

struct channel {
    struct channel_set *set;
    struct list link;
    char *id;
};

void channel_set_init(struct channel_set *set,
                      const struct channel_kind *kind,
                      const struct sender *sender);
void channel_set_done(struct channel_set *set);

/* Return NULL when there is none. */
struct channel *channel_set_first(const struct channel_set *set);
struct channel *channel_set_find(const struct channel_set *set, const char *id);
/* The channel after `c`, NULL after the last one. Ask before `c` may be freed. */
struct channel *channel_next(const struct channel *c);

/* Logs that a channel was not opened, and sends the error; `fields` is taken and may be NULL. */
void channel_set_refuse(const struct channel_set *set,
                        const char *id,
                        json_t *fields,
                        enum error_code code,
                        const char *why);

/* Adds the channel to the set; the id is copied. */
void channel_init(struct channel *c, struct channel_set *set, const char *id);
void channel_done(struct channel *c);

/* Sends an event with the id, the action, and `fields`, which is taken and may be NULL. */
int channel_send(const struct channel *c, const char *action, json_t *fields) _nodiscard_;
/* The same for events that cannot be repeated: a failure is logged. */
void channel_notify(const struct channel *c, const char *action, json_t *fields);

/* The last event of a channel that failed; `fields` is taken and may be NULL. */
void channel_notify_error(const struct channel *c,
                          json_t *fields,
                          enum error_code code,
                          const char *why);

/* Returns the reason why a reference to a container is invalid; NULL: it is valid. */
const char *channel_container_fault(const char *container);
