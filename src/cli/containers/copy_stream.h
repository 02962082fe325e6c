#pragma once

/*
 * The connection of a copy, /ws/copy/HOST/CONTAINER, as a stream that is read or written by plain
 * calls: each runs the client's loop until it can return. A failure leaves its reason in `err`.
 *
 * Back-pressure: what the caller has not taken is not read from the connection, because the loop
 * does not run meanwhile; copy_stream_write() returns when less than 256 KiB are unsent.
 */

#include "cli/common/client.h"

struct copy_stream;

struct copy_request {
    const json_t *container; /* of the list of containers */
    const char *action;      /* "out", "in" */
    const char *path;        /* in the container, absolute */
    bool keeps_owner;
};

/* Returns when the engine has accepted the request. */
int copy_stream_open(struct copy_stream **ret,
                     struct client *c,
                     const struct copy_request *request,
                     struct error *err) _nodiscard_;
void copy_stream_free(struct copy_stream *s); /* one that is not complete is broken off */
DEFINE_CLEANUP(struct copy_stream *, copy_stream_free);

/* The next bytes, valid until the next call; *ret_size 0: the stream is complete. */
int copy_stream_read(struct copy_stream *s, const void **ret, size_t *ret_size, struct error *err)
    _nodiscard_;
int copy_stream_write(struct copy_stream *s, const void *data, size_t size, struct error *err)
    _nodiscard_;
/* Waits until `fd` can be read; at once for a file. */
int copy_stream_wait_input(struct copy_stream *s, int fd, struct error *err) _nodiscard_;
/* Ends the input, and waits until the engine has taken all of it. */
int copy_stream_finish(struct copy_stream *s, struct error *err) _nodiscard_;

/* The kind of a path in a container. */
struct copy_stat {
    bool exists, is_dir, is_link;
    char *target; /* of a link, as the engine has followed it; NULL: it is no link */
};
void copy_stat_done(struct copy_stat *stat);
int copy_stat_fetch(struct client *c,
                    const json_t *container,
                    const char *path,
                    struct copy_stat *ret,
                    struct error *err) _nodiscard_;
