#pragma once

/*
 * One table per message drives both directions, so that decode and encode cannot drift apart. Unknown
 * fields are ignored, null counts as absent. A refusal reads "what is wrong (field: name)".
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
    FIELD_NON_EMPTY = 1 << 1,  /* "", [] and {} are refused */
    FIELD_OMIT_EMPTY = 1 << 2, /* encode leaves out NULL, "", 0, false, [] and {} */
    /*
     * Types are read as the Python backend reads them: bools also from 0, 1, "true", "yes", "on" and
     * their opposites; integers also from 12.0, true and "12".
     */
    FIELD_LAX = 1 << 3,
    FIELD_POINTS = 1 << 5,   /* a string's maximum counts code points, as in Python */
    FIELD_TRUNCATE = 1 << 4, /* integers also from 12.5, which gives 12, as Go agents read them */
};

struct field {
    const char *name;
    enum field_type type;
    size_t offset; /* of the member; the member is left alone while the field is absent */
    unsigned flags;
    int64_t min; /* numbers: smallest */
    /* strings: bytes; arrays and maps: items; numbers: largest; 0: the default limit */
    int64_t max;
    int (*check)(const char *value,
                 const char **ret_why); /* strings: 0, or < 0 and what is wrong */
};

#define CODEC_MAX_STRING 4096 /* bytes */
#define CODEC_MAX_ITEMS  4096
#define CODEC_MAX_ITEM   65536 /* bytes of a string inside an array or map */

/* `ret` holds the defaults on entry. On failure it is left done (all owned members released, NULL). */
int codec_decode(const struct field *f, size_t n, const json_t *v, void *ret, struct error *err)
    _nodiscard_;
json_t *codec_encode(const struct field *f, size_t n, const void *msg) _nodiscard_; /* never NULL */
void codec_done(const struct field *f, size_t n, void *msg);

/* Sets `err` to "why (field: name)" and returns `code`. */
int codec_error(struct error *err, int code, const char *field, const char *why);

void strings_done(struct strings *s);
void strings_add(struct strings *s, const char *item);
