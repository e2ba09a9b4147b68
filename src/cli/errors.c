/* Errors as the program says them: "rankine: MESSAGE" on the standard error. */
#include <stdarg.h>
#include <time.h>

#include "cli.h"

static char line[4096];
static bool is_late;

void cli_speak_late(bool late)
{
    is_late = late;
}

const char *cli_last_error(void)
{
    return line;
}

/* "rankine: ..." as a line on stderr, after what stdout holds, in one piece: ranks of a run say
 * theirs at the same time. */
static void RK_PRINTF(1, 0) say(const char *format, va_list arguments)
{
    const struct timespec rest = {.tv_sec = 2};
    vsnprintf(line, sizeof line, format, arguments);
    fflush(stdout);
    if (is_late) {
        nanosleep(&rest, NULL);
    }
    fprintf(stderr, "rankine: %s\n", line);
}

int cli_error(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    return code;
}

int cli_usage(const char *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    fprintf(stderr, "Try: rankine %s%s--help\n", command ? command : "", command ? " " : "");
    return rk_status_exit_code(RK_ERR_CONFIG);
}

int cli_fail(const cli *c, rk_status status)
{
    const char *message = rk_last_error();
    cli_error(0, "%s", *message ? message : rk_status_text(status));
    if (c->verbose) {
        fprintf(stderr, "  (%s, at %s)\n", rk_status_text(status), rk_last_error_origin());
    }
    return rk_status_exit_code(status);
}
