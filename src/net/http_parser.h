#pragma once

/*
 * Incremental parser of one HTTP/1 response: pure, fed with pieces of any size. It copies only the
 * line that it is in; body bytes are handed out where they lie in the caller's buffer.
 *
 *     STATUS -> FIELDS -> LENGTH -----------------------------------> DONE
 *       ^         |  |--> UNTIL_EOF --(the connection ends)-----------> DONE
 *       |         |  |--> CHUNK_SIZE -> CHUNK -> CHUNK_END -> ... -> TRAILER -> DONE
 *       +-- 1xx --+  |--> UPGRADED (101 or 200 to a request for an upgrade)
 *                    \--> DONE (no body: HEAD, 204, 304, length 0)
 *
 * FAILED follows every state. Interim answers (1xx) are skipped. Head, chunk lines and trailers are
 * bounded by max_head each; a body has no bound here, because the caller may stream it. Of the
 * fields only those are kept that http_client.h hands out.
 *
 * Storage is the caller's.
 */

#include "base/buf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_parse_state {
    PARSE_STATUS,
    PARSE_FIELDS,
    PARSE_LENGTH, /* body of known length */
    PARSE_UNTIL_EOF,
    PARSE_CHUNK_SIZE,
    PARSE_CHUNK,
    PARSE_CHUNK_END,
    PARSE_TRAILER,
    PARSE_DONE,
    PARSE_UPGRADED, /* the rest belongs to the other protocol */
    PARSE_FAILED,
};

enum http_piece {
    HTTP_MORE,  /* all input is consumed */
    HTTP_HEAD,  /* status and fields are known; a body may follow */
    HTTP_BODY,  /* *ret_data, *ret_size: not empty */
    HTTP_END,   /* the response is complete, input behind it is left alone */
    HTTP_ERROR, /* http_parser.problem says why */
};

struct http_parser {
    enum http_parse_state state;
    struct buf line;
    size_t head_left; /* bytes that head, chunk lines and trailers may still use */
    size_t max_head;
    uint64_t body_left;
    uint64_t length;
    bool has_length;
    bool is_chunked;
    bool is_head_request;
    bool is_upgrade; /* 101 and 200 start another protocol */
    int status;
    char content_type[128]; /* cut when longer */
    char set_cookie[512];   /* the first one; "" also when it is longer */
    const char *wanted;     /* the name of one more field to keep, set by the owner; NULL: none */
    char *wanted_value;     /* the last one; NULL: it has not come */
    const char *problem;
};

void http_parser_init(struct http_parser *p, size_t max_head);
void http_parser_done(struct http_parser *p);

/*
 * Takes the next piece from the front of *data, which it advances; call it until HTTP_MORE, END or
 * ERROR.
 */
enum http_piece http_parser_next(struct http_parser *p,
                                 const char **data,
                                 size_t *size,
                                 const char **ret_data,
                                 size_t *ret_size);

/* The connection ended: true when that completes the response. */
bool http_parser_eof(struct http_parser *p);
