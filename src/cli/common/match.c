#include "cli/common/match.h"

#include <string.h>

/* Appends the elements that match in this way and are not there yet. */
static void add_matches(
    json_t *found, const json_t *list, match_fn matches, const void *ref, enum match how)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *element = json_array_get(list, i);

        if (matches(element, ref, how) &&
            (how != MATCH_PREFIX || !matches(element, ref, MATCH_NAME)))
            (void)json_array_append(found, element);
    }
}

json_t *match_best(const json_t *list, match_fn matches, const void *ref, const char *word)
{
    json_t *found = json_array();

    add_matches(found, list, matches, ref, MATCH_ID);
    if (json_array_size(found) > 0)
        return found;
    add_matches(found, list, matches, ref, MATCH_NAME);
    if (json_array_size(found) == 0 || strlen(word) >= MATCH_AMBIGUOUS_MIN)
        add_matches(found, list, matches, ref, MATCH_PREFIX);
    return found;
}
