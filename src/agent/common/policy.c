#include "agent/common/policy.h"
#include "base/alloc.h"
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_WORD 64

/* clang-format off: one action per line, in columns */
static const struct {
    const char *name; /* as the server says it */
    const char *word; /* as the configuration says it, which has one word for both eras' names */
    enum policy_class class;
} actions[] = {
    {"ping",              "ping",            POLICY_BASIC  },
    {"get_system_info",   "get_system_info", POLICY_BASIC  },
    {"list_containers",   "list_containers", POLICY_BASIC  },
    {"inspect",           "inspect",         POLICY_READ   },
    {"get_logs",          "get_logs",        POLICY_READ   },
    {"container_logs",    "get_logs",        POLICY_READ   },
    {"list_images",       "list_images",     POLICY_READ   },
    {"list_networks",     "list_networks",   POLICY_READ   },
    {"list_volumes",      "list_volumes",    POLICY_READ   },
    {"start",             "start",           POLICY_OPERATE},
    {"start_container",   "start",           POLICY_OPERATE},
    {"stop",              "stop",            POLICY_OPERATE},
    {"stop_container",    "stop",            POLICY_OPERATE},
    {"restart",           "restart",         POLICY_OPERATE},
    {"restart_container", "restart",         POLICY_OPERATE},
    {"kill",              "kill",            POLICY_OPERATE},
    {"pause",             "pause",           POLICY_OPERATE},
    {"unpause",           "unpause",         POLICY_OPERATE},
    {"rename",            "rename",          POLICY_FULL   },
    {"remove",            "remove",          POLICY_FULL   },
    {"delete_container",  "remove",          POLICY_FULL   },
    {"shell",             "shell",           POLICY_FULL   },
    {"remove_image",      "remove_image",    POLICY_FULL   },
    {"prune_images",      "prune_images",    POLICY_FULL   },
    {"create_network",    "create_network",  POLICY_FULL   },
    {"delete_network",    "delete_network",  POLICY_FULL   },
    {"prune_networks",    "prune_networks",  POLICY_FULL   },
    {"create_volume",     "create_volume",   POLICY_FULL   },
    {"delete_volume",     "delete_volume",   POLICY_FULL   },
    {"prune_volumes",     "prune_volumes",   POLICY_FULL   },
};
/* clang-format on */
_Static_assert(ARRAY_LEN(actions) <= 64, "a policy has a bit for each");

static const struct {
    const char *word;
    enum policy_class most;
} levels[] = {
    {"observe", POLICY_READ   },
    {"operate", POLICY_OPERATE},
    {"full",    POLICY_FULL   },
};

/* Cuts the next word off a list, which is NULL after the last; -EINVAL when it is too long. */
static int next_word(const char **list, char ret[MAX_WORD])
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

static uint64_t rows_of_class(enum policy_class most)
{
    uint64_t rows = 0;

    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        rows |= actions[i].class <= most ? UINT64_C(1) << i : 0;
    return rows;
}

/* All names that one word stands for; 0 when it is no action. */
static uint64_t rows_of_action(const char *word)
{
    uint64_t rows = 0;

    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        rows |= str_eq(actions[i].word, word) ? UINT64_C(1) << i : 0;
    return rows;
}

static uint64_t rows_of_word(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (str_eq(levels[i].word, word))
            return rows_of_class(levels[i].most);
    }
    return rows_of_action(word);
}

static uint64_t row_of_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (str_eq(actions[i].name, name))
            return UINT64_C(1) << i;
    }
    return 0;
}

int policy_parse(const char *text, struct policy *ret, struct error *err)
{
    struct policy p = {.allowed = rows_of_class(POLICY_BASIC)};
    char word[MAX_WORD];
    size_t used = 0;
    uint64_t rows;

    do {
        if (next_word(&text, word) < 0 || (rows = rows_of_word(word)) == 0) {
            return error_set(
                err, -EINVAL,
                "expected observe, operate, full or a list such as observe,start,stop");
        }
        p.allowed |= rows;
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

    while (list && next_word(&list, word) == 0)
        fn(owner, word);
}

int policy_class_of(const char *name, enum policy_class *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (str_eq(actions[i].name, name)) {
            *ret = actions[i].class;
            return 0;
        }
    }
    return -EINVAL;
}

char *policy_refusal(const struct policy *p, const char *name)
{
    if (p->allowed & row_of_name(name))
        return NULL;
    return xasprintf("%s is not allowed by the policy of this host (AGENT_POLICY=%s)", name,
                     p->text);
}

bool policy_minds_label(const char *name)
{
    enum policy_class class;

    return policy_class_of(name, &class) < 0 || class >= POLICY_OPERATE;
}

/* A list that names something unknown was meant to protect, so it protects from everything. */
static uint64_t rows_of_label(const char *label)
{
    static const char *const none[] = {"false", "no", "off", "0"};
    uint64_t rows = 0, more;
    char word[MAX_WORD];

    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        if (str_eq(label, none[i]))
            return 0;
    }
    do {
        more = next_word(&label, word) < 0 ? 0 : rows_of_action(word);
        if (more == 0)
            return UINT64_MAX;
        rows |= more;
    } while (label);
    return rows;
}

char *policy_label_refusal(const char *label, const char *container, const char *name)
{
    if (!label || !policy_minds_label(name) || !(rows_of_label(label) & row_of_name(name)))
        return NULL;
    return xasprintf("%s is not allowed: container %.12s is protected by its label " POLICY_LABEL
                     "=%.100s",
                     name, container, label);
}
