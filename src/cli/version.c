#include "base/alloc.h"
#include "cli/common/client.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/verbs.h"

struct version_options {
    bool json;
};

static const struct flag flags[] = {
    {"json", 0, FLAG_BOOL, offsetof(struct version_options, json), NULL,
     "print the versions as JSON"},
};

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    const struct version_options *o = options;
    _cleanup_(client_closep) struct client *c = NULL;
    struct error err = ERROR_INIT;
    json_auto_t *answer = NULL;
    json_auto_t *both = NULL;

    (void)verb;
    (void)words;
    c = client_open_configured();
    if (c && client_get(c, xstrdup("/health"), &answer, &err) < 0)
        (void)output_failure(NULL, err.msg);
    if (o->json) {
        both = json_pack("{s:{s:s}, s:O?}", "client", "version", DOCKMON_VERSION, "server", answer);
        output_json(both);
    } else {
        output_line("Client:  %s", DOCKMON_VERSION);
        if (answer)
            output_line("Server:  %s", member_text(answer, "version"));
    }
    return answer ? 0 : 1;
}

const struct verb verb_version = {
    .name = "version",
    .usage = "[OPTIONS]",
    .summary = "Show the versions of this program and of the server",
    .examples = "  dockmon version --json\n",
    VERB_FLAGS(flags),
    .options_size = sizeof(struct version_options),
    .run = run,
};
