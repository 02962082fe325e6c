#pragma once

/*
 * The codec converts between JSON objects and the structs of messages. A message has one table with
 * a row for each field, which serves both directions, so that decoding and encoding cannot differ:
 *
 *     struct msg_auth_error {
 *         char *error;
 *     };
 *     static const struct field fields[] = {
 *         {"error", FIELD_STRING, offsetof(struct msg_auth_error, error), FIELD_REQUIRED,
 *          0, 1000, NULL},
 *     };
 *
 * Rules of decoding:
 *
 *   - unknown fields are ignored, and null counts as absent;
 *   - the member of an absent field keeps its value, so the caller sets defaults before;
 *   - strings contain no NUL, and every string, array and map has a maximum;
 *   - the first invalid field ends decoding; the error reads "why (field: name)", in the words of
 *     the Python backend, which peers show to users.
 *
 * Rules that involve several fields are checked by the message's own functions afterwards.
 *
 * Ownership: a decoded struct owns its strings, and holds references to parts of the JSON tree.
 * codec_done() releases both and is safe to call again. After a failure the struct is already done.
 * Encoding borrows the struct and returns a new tree; it cannot fail.
 *
 *   lax        the types are as tolerant as those of the Python backend
 *   default    the value of a member before decoding; FIELD_OMIT_EMPTY omits the empty ones
 */

#include "base/error.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strings {
    char **items;
    size_t n;
};

enum field_type {
    FIELD_STRING,     /* char * */
    FIELD_I64,        /* int64_t */
    FIELD_U64,        /* uint64_t, at most INT64_MAX */
    FIELD_DOUBLE,     /* double; JSON integers, too */
    FIELD_BOOL,       /* bool */
    FIELD_STRINGS,    /* struct strings */
    FIELD_BOOL_MAP,   /* json_t *: an object whose values are true or false */
    FIELD_STRING_MAP, /* json_t *: an object whose values are strings */
    FIELD_OBJECT,     /* json_t *: any object, held by reference */
    FIELD_ARRAY,      /* json_t *: any array, held by reference */
    FIELD_JSON,       /* json_t *: any value, held by reference */
};

enum field_flags {
    FIELD_REQUIRED = 1 << 0,
    FIELD_NON_EMPTY = 1 << 1,  /* "", [] and {} are invalid */
    FIELD_OMIT_EMPTY = 1 << 2, /* encode omits NULL, "", 0, false, [] and {} */
    /*
     * The tolerance of the Python backend: bools also from 0, 1, "true", "yes", "on" and their
     * opposites; integers also from 12.0, true and "12".
     */
    FIELD_LAX = 1 << 3,
    FIELD_POINTS = 1 << 5, /* a string's maximum counts code points, as in Python */
    /*
     * A string that is only shown: one that is too long is cut to its maximum, with U+2026 at the
     * end, in both directions. Of a map, texts that are too long and further items are left out.
     */
    FIELD_CUT = 1 << 6,
    FIELD_TRUNCATE = 1 << 4, /* integers also from 12.5, which gives 12, as in Go agents */
};

struct field {
    const char *name;
    enum field_type type;
    size_t offset; /* of the member */
    unsigned flags;
    int64_t min; /* numbers: smallest */
    /* strings: bytes; arrays and maps: items; numbers: largest; 0: the default limit */
    int64_t max;
    /* Strings only, may be NULL. Returns 0, or a negative errno with the reason in *ret_why. */
    int (*check)(const char *value, const char **ret_why);
};

#define CODEC_MAX_STRING 4096 /* bytes */
#define CODEC_MAX_ITEMS  4096
#define CODEC_MAX_ITEM   65536 /* bytes of a string inside an array or map */

/*
 * Decodes an object; `ret` contains the defaults on entry. -EINVAL, -EMSGSIZE or the code of
 * `check`: a field is invalid; then `ret` is done.
 */
int codec_decode(const struct field *f, size_t n, const json_t *v, void *ret, struct error *err)
    _nodiscard_;
/*
 * Returns the name of the first field with FIELD_CUT that decoding shortens, or of which it leaves
 * out items; NULL: there is none.
 */
const char *codec_find_cut(const struct field *f, size_t n, const json_t *v);
json_t *codec_encode(const struct field *f, size_t n, const void *msg) _nodiscard_; /* never NULL */
void codec_done(const struct field *f, size_t n, void *msg);

/* Sets `err` to "why (field: name)" and returns `code`. */
int codec_error(struct error *err, int code, const char *field, const char *why);

void strings_done(struct strings *s);
void strings_add(struct strings *s, const char *item);
