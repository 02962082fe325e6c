#include "agent/common/policy.h"
#include "base/alloc.h"
#include "base/container_id.h"
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_WORD 64

_Static_assert(OPERATIONS <= 64, "a policy has one bit for each operation");

static const struct {
    const char *word;
    enum policy_class most;
} levels[] = {
    {"observe", POLICY_READ   },
    {"operate", POLICY_OPERATE},
    {"full",    POLICY_FULL   },
};

/* Removes the next word from a list, which becomes NULL after the last; -EINVAL: too long. */
static int cut_word(const char **list, char ret[MAX_WORD])
{
    static const char blanks[] = " \t\r\n";
    const char *s = *list;
    size_t n;

    s += strspn(s, blanks);
    n = strcspn(s, ",");
    *list = s[n] ? s + n + 1 : NULL;
    while (n > 0 && strchr(blanks, s[n - 1]))
        n--;
    if (n >= MAX_WORD)
        return -EINVAL;
    str_copy(ret, n + 1, s);
    return 0;
}

static uint64_t bit_of(enum operation_id operation)
{
    return UINT64_C(1) << operation;
}

static uint64_t find_by_class(enum policy_class most)
{
    uint64_t found = 0;

    operation_foreach(id) {
        if (operation_spec(id)->class <= most)
            found |= bit_of(id);
    }
    return found;
}

/* Returns all operations with this word; 0: it is unknown. */
static uint64_t find_by_word(const char *word)
{
    uint64_t found = 0;

    operation_foreach(id) {
        if (operation_spec(id)->word && str_eq(operation_spec(id)->word, word))
            found |= bit_of(id);
    }
    return found;
}

static uint64_t find_by_level_or_word(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (str_eq(levels[i].word, word))
            return find_by_class(levels[i].most);
    }
    return find_by_word(word);
}

int policy_parse(const char *text, struct policy *ret, struct error *err)
{
    struct policy p = {.allowed = find_by_class(POLICY_BASIC)};
    char word[MAX_WORD];
    size_t used = 0;
    uint64_t found;

    do {
        if (cut_word(&text, word) < 0 || (found = find_by_level_or_word(word)) == 0) {
            return error_set(
                err, -EINVAL,
                "expected observe, operate, full or a list such as observe,start,stop");
        }
        p.allowed |= found;
        if (used + strlen(word) + 2 > sizeof(p.text))
            return error_set(err, -EINVAL, "expected a shorter list");
        used += (size_t)snprintf(p.text + used, sizeof(p.text) - used, "%s%s", used ? "," : "",
                                 word);
    } while (text);
    *ret = p;
    return 0;
}

void policy_each_word(const struct policy *p, policy_word_fn fn, void *owner)
{
    const char *list = p->text[0] ? p->text : NULL;
    char word[MAX_WORD];

    while (list && cut_word(&list, word) == 0)
        fn(owner, word);
}

char *policy_refuse(const struct policy *p, enum operation_id operation)
{
    if (p->allowed & bit_of(operation))
        return NULL;
    return xasprintf("%s is not allowed by the policy of this host (AGENT_POLICY=%s)",
                     operation_spec(operation)->name, p->text);
}

bool policy_heeds_label(enum operation_id operation)
{
    return operation_spec(operation)->class >= POLICY_OPERATE;
}

/* A list with an unknown word was meant to protect, so it forbids everything. */
static uint64_t find_by_label(const char *label)
{
    static const char *const none[] = {"false", "no", "off", "0"};
    uint64_t found = 0, more;
    char word[MAX_WORD];

    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        if (str_eq(label, none[i]))
            return 0;
    }
    do {
        more = cut_word(&label, word) < 0 ? 0 : find_by_word(word);
        if (more == 0)
            return UINT64_MAX;
        found |= more;
    } while (label);
    return found;
}

char *policy_refuse_label(const char *label, const char *container, enum operation_id operation)
{
    if (!label || !policy_heeds_label(operation) || !(find_by_label(label) & bit_of(operation)))
        return NULL;
    return xasprintf("%s is not allowed: container %.*s is protected by its label " POLICY_LABEL
                     "=%.*s",
                     operation_spec(operation)->name, STR_CUT(container, CONTAINER_SHORT_ID_LEN),
                     STR_CUT(label, 100));
}
