#pragma once

/*
 * The flag --filter KEY=VALUE of the verbs that list things, with docker's keys and rules: an
 * element must match every key; several values of one key are alternatives, except of keys such as
 * label, whose values must all match. A key or value that is not possible is an error, never an
 * empty list.
 */

#include "base/error.h"
#include "cli/common/args.h"
#include <jansson.h>
#include <regex.h>

#define FILTERS_MAX 32

enum filter_type {
    FILTER_TEXT,
    FILTER_PATTERN, /* a regular expression, as docker takes for names and ids */
    FILTER_BOOL,    /* in `number` */
    FILTER_NUMBER,  /* in `number` */
    FILTER_PORT,    /* "80", "80/udp", "8000-8080/tcp" */
    FILTER_TIME,    /* a time as text_parse_time() takes it: nanoseconds in `number` */
    FILTER_REF,     /* another element of the list, whose time of creation is set in `number` */
};

struct filter {
    const struct filter_key *key;
    const char *value; /* borrowed from argv */
    int64_t number;
    uint16_t first_port, last_port;
    char protocol[8];
    regex_t pattern; /* of FILTER_PATTERN only */
    json_t *found;   /* set by a verb that asks the server about `value`; freed with the filter */
};

struct filter_key {
    const char *name;
    enum filter_type type;
    const char *words; /* the only values, separated by spaces; NULL: any */
    bool must_all;     /* of several values all must match */
    bool (*matches)(const json_t *element, const struct filter *f);
};

struct filters {
    struct filter *items;
    size_t n;
};

/* `keys` ends with one without a name. On failure *ret is untouched. -EINVAL for an unknown key or an invalid value. */
int filters_parse(const struct filter_key *keys,
                  const struct args_list *words,
                  struct filters *ret,
                  struct error *err) _nodiscard_;
void filters_done(struct filters *f);
bool filters_match(const struct filters *f, const json_t *element);
bool filters_have(const struct filters *f, const char *key);

/* Matches of keys that are the same for several verbs. */
bool filter_match_text(const char *text, const struct filter *f); /* as `pattern` says */
/* "KEY" or "KEY=VALUE", of the member `labels`. */
bool filter_match_label(const json_t *element, const struct filter *f);
/* Nanoseconds since the epoch of the member `created`; 0: unknown. */
int64_t filter_created_ns(const json_t *element);
bool filter_match_before(const json_t *element, const struct filter *f);
bool filter_match_since(const json_t *element, const struct filter *f);
