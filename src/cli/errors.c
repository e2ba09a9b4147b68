/* Errors as the program says them: "rankine: MESSAGE" on the standard error. */
#include <stdarg.h>

#include "cli.h"

/* "rankine: ..." on stderr, after what stdout holds, and no newline. */
static void RK_PRINTF(1, 0) say(const char *format, va_list arguments)
{
    fflush(stdout);
    fputs("rankine: ", stderr);
    vfprintf(stderr, format, arguments);
}

int cli_error(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return code;
}

int cli_usage(const char *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nTry: rankine %s%s--help\n", command ? command : "", command ? " " : "");
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
