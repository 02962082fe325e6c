/*
 * completion: the scripts know no verbs and flags of the program; they run `dockmon __complete`.
 */

#include "base/str.h"
#include "cli/common/output.h"
#include "cli/common/verbs.h"

#include <string.h>

/* Bash also splits words at '=' and ':', and expects only the part after the last of these. */
static const char bash_script[] =
    "# bash completion for dockmon: source <(dockmon completion bash)\n"
    "_dockmon() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} cur candidate text before i\n"
    "    local -a words\n"
    "    COMPREPLY=()\n"
    "    read -ra words <<<\"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=('')\n"
    "    cur=${words[-1]}\n"
    "    before=${cur%\"${cur##*[=:]}\"}\n"
    "    while IFS=$'\\t' read -r candidate text; do\n"
    "        if [[ $candidate == :files ]]; then\n"
    "            compopt -o filenames 2>/dev/null\n"
    "            mapfile -t COMPREPLY < <(compgen -f -- \"${cur#\"$before\"}\")\n"
    "            return\n"
    "        fi\n"
    "        COMPREPLY+=(\"${candidate#\"$before\"}\")\n"
    "    done < <(\"${words[0]}\" __complete \"${words[@]:1}\" 2>/dev/null)\n"
    "    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]]; then\n"
    "        compopt -o nospace 2>/dev/null\n"
    "    fi\n"
    "}\n"
    "complete -F _dockmon dockmon\n";

static const char zsh_script[] =
    "#compdef dockmon\n"
    "# zsh completion for dockmon: put it into a directory of $fpath as _dockmon, or source <(dockmon completion zsh)\n"
    "_dockmon() {\n"
    "    local line candidate text\n"
    "    local -a given closed closed_texts open open_texts\n"
    "    given=(\"${(@Q)words[2,CURRENT-1]}\" \"${PREFIX}\")\n"
    "    for line in \"${(@f)$(\"${words[1]}\" __complete \"${given[@]}\" 2>/dev/null)}\"; do\n"
    "        candidate=${line%%$'\\t'*}\n"
    "        text=${line#*$'\\t'}\n"
    "        case $candidate in\n"
    "            '') ;;\n"
    "            :files) [[ $PREFIX == --*=* ]] && compset -P '*='; _files; return ;;\n"
    "            */) open+=(\"$candidate\"); open_texts+=(\"$candidate${text:+  -- $text}\") ;;\n"
    "            *) closed+=(\"$candidate\"); closed_texts+=(\"$candidate${text:+  -- $text}\") ;;\n"
    "        esac\n"
    "    done\n"
    "    (( $#closed )) && compadd -l -d closed_texts -a closed\n"
    "    (( $#open )) && compadd -S '' -l -d open_texts -a open\n"
    "}\n"
    "if [[ $funcstack[1] == _dockmon ]]; then\n"
    "    _dockmon \"$@\"\n"
    "else\n"
    "    compdef _dockmon dockmon\n"
    "fi\n";

static const char fish_script[] =
    "# fish completion for dockmon: dockmon completion fish | source\n"
    "function __dockmon_complete\n"
    "    set -l given (commandline -opc)\n"
    "    set -l last (commandline -ct)\n"
    "    set -l lines ($given[1] __complete $given[2..-1] \"$last\" 2>/dev/null)\n"
    "    if test \"$lines[1]\" = :files\n"
    "        __fish_complete_path (string replace -r '^--[^=]*=' '' -- \"$last\")\n"
    "    else\n"
    "        printf '%s\\n' $lines\n"
    "    end\n"
    "end\n"
    "complete -c dockmon -f -a '(__dockmon_complete)'\n";

static int run(const struct verb *verb, void *options, const struct args_list *words)
{
    static const struct {
        const char *shell, *script;
    } scripts[] = {
        {"bash", bash_script},
        {"zsh",  zsh_script },
        {"fish", fish_script},
    };

    (void)verb;
    (void)options;
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        if (str_eq(words->items[0], scripts[i].shell)) {
            output_raw(scripts[i].script, strlen(scripts[i].script));
            return 0;
        }
    }
    output_error("%s: unknown shell; there is completion for bash, zsh and fish", words->items[0]);
    return EXIT_USAGE;
}

const struct verb verb_completion = {
    .name = "completion",
    .usage = "bash|zsh|fish",
    .summary = "Print a script that completes commands, options and names",
    .examples = "  source <(dockmon completion bash)\n"
                "  dockmon completion zsh > \"${fpath[1]}/_dockmon\"\n"
                "  dockmon completion fish > ~/.config/fish/completions/dockmon.fish\n",
    .words = WORDS_SHELLS,
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
