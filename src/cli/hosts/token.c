/*
 * token create: a registration token, and the command line with which a new host joins.
 */

#include "base/alloc.h"
#include "base/str.h"
#include "cli/common/client.h"
#include "cli/common/member.h"
#include "cli/common/output.h"
#include "cli/common/verbs.h"
#include "cli/hosts/hosts.h"

#include "net/address.h"
#include "net/url.h"
#include <errno.h>

struct token_options {
    bool is_multi_use, quiet, json;
    const char *replace;
};

#define AGENT_DATA "/var/lib/dockmon-agent"

#define AT(m) offsetof(struct token_options, m)

static const struct flag flags[] = {
    {"multi-use", 0,   FLAG_BOOL,   AT(is_multi_use), NULL,
     "the token admits any number of hosts until it expires"                                              },
    {"replace",   0,   FLAG_STRING, AT(replace),      "HOST",
     "the token admits one agent, which takes the place of this host's agent; id, tags and history remain"},
    {"quiet",     'q', FLAG_BOOL,   AT(quiet),        NULL,   "print the token only"                      },
    {"json",      0,   FLAG_BOOL,   AT(json),         NULL,   "print the server's answer as JSON"         },
};

/*
 * "DOCKMON_PIN=... " for the agent's command line, to be freed. Empty if this program trusts the
 * server by the system's root certificates: the agent can do that, too, and a pin would fail as
 * soon as the key of such a certificate is replaced.
 */
static char *format_pin(const json_t *answer, const struct config *config)
{
    const char *fingerprint = member_text(answer, "fingerprint");

    if (!*fingerprint || (!config->pin && !config->ca_file && !config->is_insecure))
        return xstrdup("");
    return xasprintf("DOCKMON_PIN=%s ", fingerprint);
}

static bool is_local(const char *url)
{
    struct url parts = {0};
    bool is_loopback = url_parse(url, &parts, NULL) == 0 && address_is_loopback(parts.host);

    url_done(&parts);
    return is_loopback;
}

static char *format_use(const json_t *answer, bool is_multi_use)
{
    const char *replaced = member_text(answer, "replaces");

    if (*replaced)
        return xasprintf("for a new agent of host %s", replaced);
    return xasprintf("for %s", is_multi_use ? "any number of hosts" : "one host");
}

/* The server's own line downloads the agent, too. Servers that have none to offer send no line. */
static void print_ways(const json_t *answer, const struct config *config)
{
    const char *line = member_text(answer, "install_command");
    _cleanup_free_ char *pin = format_pin(answer, config);

    if (*line) {
        output_note("Paste this line on that host, as root:");
        output_note("  %s", line);
        output_note("Or start an agent that is there already:");
    } else {
        output_note("Run on that host:");
    }
    output_note("  DOCKMON_URL=%s %sREGISTRATION_TOKEN=%s DATA_PATH=" AGENT_DATA " dockmon-agent",
                config->url, pin, member_text(answer, "token"));
}

static void print_token(const json_t *answer, const struct config *config, bool is_multi_use)
{
    _cleanup_free_ char *use = format_use(answer, is_multi_use);
    const char *url = config->url;

    output_line("%s", member_text(answer, "token"));
    output_note("%s", "");
    output_note("Valid until %s, %s.", member_text(answer, "expires_at"), use);
    print_ways(answer, config);
    if (is_local(url)) {
        output_note(
            "  (%s is an address of this machine: give other hosts one that they can reach)", url);
    }
}

/* Returns the body of the request, or NULL: no such host. */
static json_t *make_body(struct client *c, const struct token_options *o, struct error *err)
{
    json_auto_t *hosts = NULL;
    json_t *host;

    if (!o->replace)
        return json_pack("{s:b}", "multi_use", o->is_multi_use);
    if (client_get(c, xstrdup("/api/hosts"), &hosts, err) < 0 ||
        hosts_find(hosts, o->replace, &host, err) < 0)
        return NULL;
    return json_pack("{s:O}", "replace", json_object_get(host, "id"));
}

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    const struct token_options *o = options;
    _cleanup_(client_closep) struct client *c = NULL;
    _cleanup_(config_done) struct config config = {0};
    struct error err = ERROR_INIT;
    json_auto_t *answer = NULL;
    json_t *body = NULL;

    (void)words;
    if (o->replace && o->is_multi_use) {
        output_error("dockmon %s: --replace is for one agent: --multi-use does not go with it",
                     verb->name);
        return EXIT_USAGE;
    }
    if (config_load_process(&config, &err) == 0 && client_open(&c, &config, &err) == 0)
        body = make_body(c, o, &err);
    if (!body ||
        client_send(c, "POST", xstrdup("/api/agent/generate-token"), body, &answer, &err) < 0)
        return output_failure(NULL, err.msg);
    if (o->json) {
        output_json(answer);
    } else if (o->quiet) {
        output_line("%s", member_text(answer, "token"));
    } else {
        print_token(answer, &config, o->is_multi_use);
    }
    return 0;
}

const struct verb verb_token = {
    .name = "token create",
    .usage = "[OPTIONS]",
    .summary = "Create a token with which a new host joins, and show how",
    .examples = "  dockmon token create\n  TOKEN=$(dockmon token create --multi-use -q)\n"
                "  dockmon token create --replace web1\n",
    VERB_FLAGS(flags),
    .options_size = sizeof(struct token_options),
    .run = run,
};
