#pragma once

/*
 * The flag --format of the verbs that list things, as docker's:
 *
 *   --format json                              one JSON object a line
 *   --format '{{.Names}} {{.Status}}'          a template (template.h), one line for each element
 *   --format 'table {{.ID}}\t{{.Names}}'       a table with headers; \t separates the columns
 *
 * A verb describes each element as an object with docker's names of fields. The member
 * FORMAT_LABELS of such an object is not a field: `.Label "KEY"` looks there.
 */

#include "cli/common/template.h"

#define FORMAT_LABELS " labels"

struct format_field {
    const char *name, *header; /* "RunningFor", "CREATED" */
};

struct format {
    enum { FORMAT_NONE, FORMAT_JSON, FORMAT_LINES, FORMAT_TABLE } kind;
    struct template *template;
};

#define FORMAT_FLAG(offset)                                                                \
    {                                                                                      \
        "format", 0, FLAG_STRING, (offset), "FORMAT",                                      \
            "json, a template such as '{{.ID}} {{.Host}}', or 'table {{.ID}}\\t{{.Host}}'" \
    }

/* NULL, "" and "table" choose the verb's own table: FORMAT_NONE. -EINVAL. */
int format_parse(const char *text, struct format *ret, struct error *err) _nodiscard_;
void format_done(struct format *f);

/*
 * Prints the objects of `rows`. `fields` ends with one without a name. -EINVAL: the template fits
 * no element; lines before that were printed.
 */
int format_print(const struct format *f,
                 const json_t *rows,
                 const struct format_field *fields,
                 struct error *err) _nodiscard_;

/* --- texts as docker writes them; all to be freed --- */

/* "2026-12-02 05:46:10 +0100 CET" in local time. "" if it is not a time. */
char *format_time(const char *timestamp);
/* "a=1,b=2", sorted. */
char *format_labels(const json_t *labels);
/* "true" or "false". */
json_t *format_bool(bool is_true);
