#include "cli/common/listing.h"

#include "base/alloc.h"
#include "cli/common/member.h"
#include "cli/common/output.h"

#include <assert.h>
#include <stdlib.h>

/* To be freed. */
static char *format_cell(const struct listing_column *column,
                         const json_t *element,
                         const void *owner)
{
    const json_t *v;

    if (column->text)
        return column->text(element, owner);
    v = json_object_get(element, column->member);
    if (json_is_integer(v))
        return xasprintf("%lld", (long long)json_integer_value(v));
    return xstrdup(member_text(element, column->member));
}

static void print_table(const struct listing *listing,
                        const json_t *list,
                        bool is_wide,
                        const void *owner)
{
    const char *headers[TABLE_MAX_COLUMNS];
    size_t n = is_wide || !listing->n_narrow ? listing->n_columns : listing->n_narrow;
    struct table t;

    assert(listing->n_columns <= TABLE_MAX_COLUMNS);
    for (size_t i = 0; i < n; i++)
        headers[i] = listing->columns[i].header;
    table_init(&t, n, headers);
    for (size_t i = 0; i < json_array_size(list); i++) {
        for (size_t k = 0; k < n; k++) {
            const struct listing_column *column = &listing->columns[k];
            const json_t *element = json_array_get(list, i);
            _cleanup_free_ char *text = format_cell(column, element, owner);

            table_add_coloured(&t, text, column->colour ? column->colour(element) : COLOUR_NONE);
        }
    }
    output_table(&t);
}

void listing_print(const struct listing *listing,
                   const json_t *list,
                   const struct listing_options *options,
                   const void *owner)
{
    if (options->json) {
        output_json(list);
        return;
    }
    if (!options->quiet || !listing->quiet_member) {
        print_table(listing, list, options->wide, owner);
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++)
        output_line("%s", member_text(json_array_get(list, i), listing->quiet_member));
}

int listing_print_format(const struct listing *listing,
                         const json_t *list,
                         const struct format *format)
{
    json_auto_t *rows = json_array();
    struct error err = ERROR_INIT;

    for (size_t i = 0; i < json_array_size(list); i++)
        listing->describe(json_array_get(list, i), rows);
    return format_print(format, rows, listing->fields, &err) < 0 ? output_failure(NULL, err.msg)
                                                                 : 0;
}

void listing_set_field(json_t *o, const char *name, char *text)
{
    (void)json_object_set_new(o, name, json_string(text));
    free(text);
}
