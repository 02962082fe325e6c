#pragma once

/*
 * Errors
 *
 * A function that can fail returns 0 or a negative errno. If users need more than the number, its
 * last argument is `struct error *err`. The object is on the caller's stack and owns nothing, so it
 * needs no destructor and cannot fail itself. `err` may be NULL if only the code is needed.
 *
 * `msg` is valid UTF-8 and ends at a whole character, because answers to peers quote it.
 *
 * Library code fills `err` and does not log; the caller that handles the failure logs it, once.
 *
 * The vocabulary of peer-visible failures; proto/error_code.h gives them HTTP status and names:
 *   EBADMSG malformed request    EINVAL   bad parameter    EDOM   well-formed but refused value
 *   ENOKEY  not authenticated    EACCES   not allowed      ENOENT no such object
 *   EEXIST, EBUSY conflict       EMSGSIZE too large        EAGAIN too many requests
 *   EPROTO  invalid reply        ENOTCONN, ECONNREFUSED peer away  ETIMEDOUT peer too slow
 */

#include "base/macros.h"

struct error {
    int code;   /* negative errno, 0 while unset */
    int reason; /* more precise than errno: an `enum error_code` (proto/error_code.h), 0: none */
    char msg[504];
};

#define ERROR_INIT ((struct error){0})

/* Both return `code`, so that callers write: return error_set(err, -ENOENT, "no host %s", id); */
int error_set(struct error *err, int code, const char *fmt, ...) _printf_(3, 4);
int error_wrap(struct error *err, int code, const char *fmt, ...) _printf_(3, 4);

const char *error_text(int code); /* "No such file or directory" for -ENOENT; thread-safe */
