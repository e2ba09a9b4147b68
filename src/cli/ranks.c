/* Several processes that mpirun or srun has started together work on one command. */
#include <inttypes.h>
#include <string.h>

#include "cli.h"

/* The standard input is passed on to one of them. */
static bool reads_input(const cli *c)
{
    for (int i = 1; c->words[i]; i++) {
        const char *word = c->words[i], *value = strchr(word, '=');
        if (strcmp(word, "-") == 0 || strcmp(word, "@-") == 0 ||
            (value && (strcmp(value, "=-") == 0 || strcmp(value, "=@-") == 0))) {
            return true;
        }
    }
    return false;
}

int cli_ranks_refuse(const char *command)
{
    const rk_ranks_start start = rk_ranks_started();
    const cli_command *found = cli_find_command(command, NULL);
    if (start.size == 1 || !found || found->by_ranks) {
        return 0;
    }
    return cli_usage(command,
                     "%s started %" PRId64 " processes together, but %s is the work of one, and "
                     "each would do all of it: start one process; where each has work of its own, "
                     "start it without %s (env -u %s rankine %s ...)",
                     start.by, start.size, command, start.variable, start.variable, command);
}

int cli_ranks_join(cli *c, const char *command, const char *communicator, rk_hooks *hooks)
{
    const bool is_self = communicator && strcmp(communicator, "self") == 0;
    const rk_status status = rk_ranks_join(is_self, hooks, &c->ranks);
    if (status != RK_OK) {
        return cli_fail(c, status);
    }
    if (rk_ranks_size(c->ranks) == 1) {
        return 0;
    }
    cli_speak_late(false);
    c->is_other = rk_ranks_rank(c->ranks) > 0;
    if (c->is_other) {
        hooks->log = NULL;
        hooks->progress = NULL;
    }
    cli rest = *c;
    rest.words++; /* the program may lie somewhere else on another machine */
    char *line = cli_command_line(&rest);
    int code = cli_ranks_agree(c, "command line", line);
    cli_free(line);
    if (code == 0 && reads_input(c)) {
        code = cli_usage(command,
                         "the standard input (-) reaches one of the %" PRId64
                         " processes only: name a file that each of them can read",
                         rk_ranks_size(c->ranks));
    }
    return code;
}

int cli_ranks_agree(const cli *c, const char *what, const char *text)
{
    const rk_status status = rk_ranks_agree(c->ranks, what, text);
    return status == RK_OK ? 0 : cli_fail(c, status);
}

int cli_ranks_agree_ids(const cli *c, const char *what, const int32_t *ids, int64_t n)
{
    if (rk_ranks_size(c->ranks) == 1) {
        return 0;
    }
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a, of whole ids */
    for (int64_t i = 0; i < n; i++) {
        hash = (hash ^ (uint32_t)ids[i]) * UINT64_C(0x100000001b3);
    }
    char *text = cli_format("%" PRId64 " ids, digest %016" PRIx64, n, hash);
    const int code = cli_ranks_agree(c, what, text);
    cli_free(text);
    return code;
}

static rk_status status_of(int code)
{
    for (int status = RK_OK; status < RK_STATUS_COUNT; status++) {
        if (rk_status_exit_code((rk_status)status) == code) {
            return (rk_status)status;
        }
    }
    return RK_ERR_INTERNAL;
}

int cli_ranks_leave(cli *c, int code)
{
    if (code == 0) { /* rank 0 writes to the end, and what fails there fails for all */
        const rk_status status = rk_ranks_wait(c->ranks, "the end of the work");
        code = status == RK_OK ? 0 : cli_fail(c, status);
    }
    const char *said = cli_last_error();
    rk_ranks_leave(c->ranks, status_of(code), code == 0 || *said ? said : "stopped");
    c->ranks = NULL;
    return code;
}
