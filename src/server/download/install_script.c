#include "server/download/install_script.h"
#include "base/alloc.h"
#include "base/str.h"
#include "server/download/join_line.h"

#include <string.h>

#define SHEBANG     "#!/bin/sh\n"
#define END_OF_UNIT "END_OF_UNIT"

static int write_sums(const struct agent_files *files, struct buf *out)
{
    const struct agent_file *f;
    int r = buf_append_str(out, "sums='");

    for (size_t i = 0; r == 0 && (f = agent_files_at(files, i)); i++) {
        if (str_starts_with(f->name, AGENT_FILE_PROGRAM))
            r = buf_printf(out, "\n%s %s", f->name + strlen(AGENT_FILE_PROGRAM), f->sha256);
    }
    return r < 0 ? r : buf_append_str(out, "'\n");
}

static int write_unit(struct buf *out)
{
    int r = buf_append_str(out, "print_unit() {\ncat <<'" END_OF_UNIT "'\n");

    if (r == 0)
        r = buf_append(out, agent_unit, agent_unit_size);
    return r < 0 ? r : buf_append_str(out, END_OF_UNIT "\n}\n");
}

int install_script_write(const struct install_script *script, struct buf *out)
{
    _cleanup_free_ char *pin = join_curl_pin(script->fingerprint);
    int r;

    r = buf_printf(out, SHEBANG "url='%s'\npin='%s'\ncurl_pin='%s'\ntoken='%s'\n", script->url,
                   pin ? script->fingerprint : "", pin ? pin : "", script->token);
    if (r == 0)
        r = write_sums(script->files, out);
    if (r == 0)
        r = write_unit(out);
    return r < 0 ? r : buf_append(out, install_sh, install_sh_size);
}

int install_script_refuse(const char *text, struct buf *out)
{
    return buf_printf(out, SHEBANG "echo 'dockmon: %s' >&2\nexit 1\n", text);
}
