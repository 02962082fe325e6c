#include "base/alloc.h"
#include "cli/common/client.h"
#include "cli/common/format.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/verbs.h"

struct version_options {
    bool json;
    const char *format;
};

static const struct flag flags[] = {
    {"json",   0,   FLAG_BOOL,   offsetof(struct version_options, json),   NULL,
     "print the versions as JSON"                                           },
    {"format", 'f', FLAG_STRING, offsetof(struct version_options, format), "FORMAT",
     "json, or a template such as '{{.Client.Version}} {{.Server.Version}}'"},
};

/* {"Client": {"Version"}, "Server": {"Version"}}, as docker's; Server is null without an answer. */
static int print_format(const struct format *f, const json_t *answer)
{
    static const struct format_field fields[] = {
        {"Client",  "CLIENT"},
        {"Server",         "SERVER"},
        {0}
    };
    json_auto_t *rows = json_pack(
        "[{s:{s:s}, s:o}]", "Client", "Version", DOCKMON_VERSION, "Server",
        answer ? json_pack("{s:s}", "Version", member_text(answer, "version")) : json_null());
    struct error err = ERROR_INIT;

    return format_print(f, rows, fields, &err) < 0 ? output_failure(NULL, err.msg) : 0;
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    const struct version_options *o = options;
    _cleanup_(client_closep) struct client *c = NULL;
    _cleanup_(format_done) struct format format = {0};
    struct error err = ERROR_INIT;
    json_auto_t *answer = NULL;
    json_auto_t *both = NULL;

    (void)verb;
    (void)words;
    if (format_parse(o->format, &format, &err) < 0) {
        output_error("%s", err.msg);
        return 1;
    }
    c = client_open_configured();
    if (c && client_get(c, xstrdup("/health"), &answer, &err) < 0)
        (void)output_failure(NULL, err.msg);
    if (format.kind != FORMAT_NONE) {
        if (print_format(&format, answer))
            return 1;
    } else if (o->json) {
        both = json_pack("{s:{s:s}, s:O?}", "client", "version", DOCKMON_VERSION, "server", answer);
        output_json(both);
    } else {
        const char *version = member_text(answer, "version");

        output_line("Client:  %s", DOCKMON_VERSION);
        if (answer)
            output_line("Server:  %s", *version ? version : "(log in to see its version)");
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
