#pragma once

/*
 * The container list of the server, and references into it.
 *
 * A reference is "NAME", "ID" or the beginning of an id, as with docker, alone or after "HOST/",
 * where HOST is a name, an id or the beginning of an id, and may contain slashes. It is resolved
 * here, in a list that is fetched once for all words of a command line, so that an ambiguous
 * reference is refused with its candidates.
 *
 * Elements of the list are objects of GET /api/containers, read with member.h.
 */

#include "cli/common/args.h"
#include "cli/common/client.h"

/*
 * For any object with host_name and host_id. `host` is a name, an id or the beginning of an id;
 * NULL matches every host.
 */
bool container_is_on_host(const json_t *c, const char *host);

/* Whether the error of the host, in this member, is that its engine does not answer. */
bool container_engine_is_down(const json_t *o, const char *member);

/*
 * The age of the last known state of a host or container; NULL below a minute. `listed_at` is the
 * member with the time of the last list, for servers that do not send stale_since. To be freed.
 */
char *container_stale_age(const json_t *o, const char *listed_at, int64_t now_ms);

/*
 * " (host offline, stale 3m)", " (engine down)": the reason why the state of a container is the last
 * known one, with its age from a minute on; "" if it is up to date. To be freed.
 */
char *container_stale_mark(const json_t *c, int64_t now_ms);

/* GET /api/containers. *ret is the caller's: an array of objects. */
int containers_fetch(struct client *c, json_t **ret, struct error *err) _nodiscard_;

/* Notes the hosts that are missing in the list: offline, and without a list that is known. */
void containers_note_unlisted(struct client *c);

/*
 * *ret is borrowed from `list`. -ENOENT; -EEXIST with the candidates in `err`; -ESTALE: a name has
 * moved from one container to another, and the list shows it for both.
 */
int containers_resolve(const json_t *list, const char *ref, const json_t **ret, struct error *err)
    _nodiscard_;

/*
 * The same, but a reference that the list does not contain is looked up by the engines of the
 * hosts, which know a container that was created or renamed a moment ago. -ENOTCONN: no container was
 * found, but it may be on a host that is offline and whose containers are not known. *ret is valid as long as
 * the list, which keeps what they answer.
 */
int containers_find(struct client *c,
                    json_t *list,
                    const char *ref,
                    const json_t **ret,
                    struct error *err) _nodiscard_;

/*
 * The containers that the words name, as an array of {host_id, container_id}, and the word of each
 * in `refs`, which has room for all words. Prints failures. The caller's.
 */
json_t *containers_find_all(struct client *c,
                            json_t *list,
                            const struct args_list *words,
                            const char **refs) _nodiscard_;

/*
 * The container for container_path(): by its name if `ref` is its name, so that the engine of the
 * host decides which container has that name now. The caller's.
 */
json_t *container_by_ref(const json_t *container, const char *ref) _nodiscard_;

/* "/api/hosts/HOST/containers/ID" followed by `tail`; to be freed. */
char *container_path(const json_t *container, const char *tail);

/*
 * One request for each word, side by side: resolves the words, lets `fill` set method, path and
 * body, and passes each answer to `show` in the order of the words; without `show` it prints the
 * word. Prints failures. Returns the exit code.
 */
struct containers_batch {
    void (*fill)(void *owner, const json_t *container, struct client_request *r);
    void (*show)(void *owner, const char *word, const struct client_request *r); /* may be NULL */
    void *owner;
    bool may_be_absent; /* a container that does not exist is named, but is no failure */
};
int containers_each(struct client *c,
                    const struct args_list *words,
                    const struct containers_batch *batch);
