#pragma once

/*
 * One operation while it is carried out.
 *
 * An operation is a flow: a struct that begins with `struct operation`, an enum of named steps,
 * and one function advance(), which reads from top to bottom like a synchronous version would:
 *
 *     switch ((enum prune_step)op->step) {
 *     case PRUNE_IMAGES: return operation_ask(op, PRUNE_ANSWER, request, err);
 *     case PRUNE_ANSWER: return operation_answer(op, fields);
 *     }
 *
 * A case is an act: it uses the reply to the act before, sends a request and names the step that
 * follows the reply, or it ends the flow. Callbacks store the reply and call operation_advance(),
 * nothing else. A negative errno ends the flow with an error reply.
 *
 * Before each act, that is, before its request is sent, the hook `record` gets the name of the
 * step. A flow that must survive a crash writes it down there.
 *
 * States: new (operation_new), running (from operation_start), ended. The end is one call of
 * `done`, perhaps before operation_start() returns; after it the operation is freed. The owner may
 * end it earlier with operation_free(): then `done` never runs. Inside `done` the operation
 * belongs to itself, and operation_free() does nothing. Only operation.c frees a flow. A flow
 * that holds memory, or requests that were not sent by operation_ask(), frees and cancels them in
 * its type's `release`.
 *
 * Terms: a type is the vtable of one kind of flow, and all operations of a type share it. A
 * request is sent to the engine, and its answer is the reply. The answer of an operation goes to
 * the server.
 */

#include "agent/common/guard.h"
#include "agent/engine/facts.h"
#include "agent/engine/network_undo.h"
#include "agent/inventory/inventory.h"
#include "docker/engine.h"
#include "proto/command.h"
#include "proto/reply.h"

struct operation;

/* Results of advance() beside a negative errno. */
enum { OPERATION_WAITS, OPERATION_ENDS };

struct operation_type {
    size_t size;              /* of the struct that begins with struct operation */
    size_t max_body;          /* bytes of the engine's reply to operation_ask() */
    const char *const *steps; /* their names, by the flow's enum */
    /* Checks the arguments; an error here is the server's fault. NULL: no check. */
    int (*prepare)(struct operation *op, struct error *err);
    int (*advance)(struct operation *op, struct error *err);
    void (*release)(struct operation *op); /* NULL: it holds nothing beyond struct operation */
};

/* How an operation ended. */
struct operation_result {
    const struct reply_error *error; /* NULL: success */
    json_t *fields;                  /* of the answer, or NULL; belongs to the receiver */
    /* The name of one more member, `text`; NULL: none. "": `text` is the whole answer. */
    const char *key;
    struct json_span text; /* JSON; valid inside `done` only */
};

struct operation_options {
    struct engine *engine; /* outlives the operation, as do facts and guard */
    struct facts *facts;
    struct guard *guard;
    struct network_undo *network_undo;  /* outlives it, too; or NULL */
    struct updates *updates;            /* the same */
    struct self_update *self_update;    /* the same */
    struct inventory *const *inventory; /* may point to NULL: the server is not sent a list */
    const struct msg_command *request;  /* outlives the operation */
    size_t max_text;                    /* bytes of an answer */
    uint64_t deadline_ms;               /* of the whole operation, which the owner enforces */
    /* Called before each act with the name of its step; or NULL. */
    void (*record)(void *owner, const char *step);
    void (*done)(void *owner, const struct operation_result *result);
    void *owner; /* of both functions */
};

struct operation {
    const struct operation_type *type;
    struct operation_options o;
    unsigned step; /* the act that is next, or the one that runs inside advance() */
    bool has_ended;
    bool is_over; /* its last act is over: at the deadline it is advanced, not cancelled */
    int held;     /* the failure of a request with `holds_failure`; 0: none */
    struct engine_call *call; /* the request that waits for its reply, or NULL */
    const char *what;         /* of that request, see operation_request */
    int accepts;
    bool holds_failure;
    bool takes_failure;
    const struct engine_reply *reply; /* to the last request; inside advance() only */
    struct reply_error failure;       /* how an error reply is classified */
    char *failure_text;               /* a text for it that is not in `err`, owned */
    struct operation_result result;
};

struct operation *operation_new(const struct operation_type *type,
                                const struct operation_options *o);
void operation_start(struct operation *op); /* op may be gone afterwards */
void operation_free(struct operation *op);

/* The rest is for flows. */

/* Runs the flow up to its next act: the last statement of a callback. op may be gone then. */
void operation_advance(struct operation *op);

/* Begins an act that does not use operation_ask(): records it; `next` is the step after it. */
void operation_begin(struct operation *op, unsigned next);

struct operation_request {
    const char *method; /* NULL: GET */
    char *path;         /* taken */
    json_t *body;       /* taken; NULL: none */
    /* Put before the message of the engine on failure: "disconnect a container". Or NULL. */
    const char *what;
    int accepts; /* a negative errno of the engine that counts as success; 0: none */
    /* A failure is stored in op->held and the flow continues; `return op->held` ends it later. */
    bool holds_failure;
    bool takes_failure; /* advance() also gets a reply that is a failure, in op->reply */
};

/* The act of most steps: asks the engine; advance() continues with step `next` and op->reply. */
int operation_ask(struct operation *op,
                  unsigned next,
                  struct operation_request request,
                  struct error *err) _nodiscard_;

/* These end the flow, as in `return operation_answer(op, NULL)`. Both take `fields` (or NULL). */
int operation_answer(struct operation *op, json_t *fields) _nodiscard_;
int operation_answer_text(struct operation *op,
                          json_t *fields,
                          const char *key,
                          struct json_span text) _nodiscard_;
/* Ends it because policy or label forbid it; takes `why`. */
int operation_refuse(struct operation *op, char *why) _nodiscard_;
/* Ends it because it would harm the container of the agent; takes `why`. */
int operation_refuse_own(struct operation *op, char *why) _nodiscard_;
/* Ends it with the failure of a request that is not operation_ask()'s. `message` is copied. */
int operation_fail(struct operation *op, int code, int status, const char *message) _nodiscard_;
