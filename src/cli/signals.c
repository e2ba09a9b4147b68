/*
 * Ctrl-C, SIGTERM, and a terminal that closes. A handler may do next to nothing, so the first
 * signal only prints a message and sets a flag, which the library polls through hooks.should_stop
 * between steps. A second signal ends the program at once.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static volatile sig_atomic_t stop_wanted; /* a global, since a handler has no argument */
static const char *volatile first_text;

static void handle(int number)
{
    (void)number;
    int saved_errno = errno;
    if (stop_wanted) {
        _exit(rk_status_exit_code(RK_ERR_INTERRUPTED));
    }
    stop_wanted = 1;
    const char *text = first_text;
    if (text && write(STDERR_FILENO, text, strlen(text)) < 0) {
        /* nobody reads standard error; nothing can be done here */
    }
    errno = saved_errno;
}

void cli_signals_install(const char *said_first)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    /* on a terminal the text follows ^C or a progress line, elsewhere it has a line of its own */
    first_text = isatty(STDERR_FILENO) ? said_first : said_first + (*said_first == '\n');
    action.sa_handler = handle;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction before;
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) { /* not of nohup */
        sigaction(SIGHUP, &action, NULL);
    }
}

bool cli_signals_stop(void)
{
    return stop_wanted != 0;
}
