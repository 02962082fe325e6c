#include "cli/common/match.h"

json_t *match_best(const json_t *list, match_fn matches, const void *ref)
{
    json_t *found = json_array();

    for (int how = 0; how < N_MATCHES && json_array_size(found) == 0; how++) {
        for (size_t i = 0; i < json_array_size(list); i++) {
            json_t *element = json_array_get(list, i);

            if (matches(element, ref, (enum match)how))
                (void)json_array_append(found, element);
        }
    }
    return found;
}
