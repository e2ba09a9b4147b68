/*
 * Messages and progress on standard error. On a terminal one line is redrawn in place, at most once
 * a second; that of the last epoch stays. Elsewhere lines are plain: one for an ended epoch, at
 * most one per second; every ten seconds one for a long epoch or another phase.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

static const double redraw_seconds = 1.0;
static const double plain_seconds = 10.0;

enum { BAR_WIDTH = 20 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool cli_colour(FILE *stream)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    const bool is_passed_on = getenv("OMPI_COMM_WORLD_SIZE"); /* by a terminal of mpirun's own */
    return isatty(fileno(stream)) && !(no_colour && *no_colour) && !is_passed_on && term &&
           strcmp(term, "dumb") != 0;
}

const char *cli_bold(bool colour)
{
    return colour ? "\033[1m" : "";
}

const char *cli_dim(bool colour)
{
    return colour ? "\033[2m" : "";
}

const char *cli_green(bool colour)
{
    return colour ? "\033[32m" : "";
}

const char *cli_yellow(bool colour)
{
    return colour ? "\033[33m" : "";
}

const char *cli_plain(bool colour)
{
    return colour ? "\033[0m" : "";
}

static int columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) {
        return size.ws_col;
    }
    return 80;
}

static void erase(cli_display *d)
{
    if (d->line_shown) {
        fputs("\r\033[K", stderr);
        d->line_shown = false;
    }
}

/* Appends a part if the line stays within width, so that a narrow terminal loses the last parts. */
static void append(char *line, size_t size, int width, const char *part)
{
    size_t length = strlen(line);
    if (length + strlen(part) < size && (int)(length + strlen(part)) < width) {
        memcpy(line + length, part, strlen(part) + 1);
    }
}

/* "  12 s left", or nothing where that is not known. */
static void append_left(const rk_progress *p, char *line, size_t size, int width)
{
    char part[96];
    if (p->eta_seconds < 0 || p->done >= p->total) {
        return;
    }
    if (p->eta_seconds < 59.5) {
        snprintf(part, sizeof part, "  %.0f s left", p->eta_seconds);
    } else {
        snprintf(part, sizeof part, "  %s left", cli_seconds(p->eta_seconds).s);
    }
    append(line, size, width, part);
}

static void training_parts(const rk_progress *p, char *line, size_t size, int width)
{
    char part[96];
    if (p->runs > 0) {
        snprintf(part, sizeof part, "run %lld/%lld  ", (long long)p->run, (long long)p->runs);
        append(line, size, width, part);
    }
    snprintf(part, sizeof part, "epoch %lld/%lld", (long long)p->epoch, (long long)p->epochs);
    append(line, size, width, part);
    if (isfinite(p->loss)) {
        snprintf(part, sizeof part, "  loss %.4f", p->loss);
        append(line, size, width, part);
    }
    if (p->metric && isfinite(p->metric_value)) {
        snprintf(part, sizeof part, "  %s %.4f", p->metric, p->metric_value);
        append(line, size, width, part);
    }
    if (p->samples_per_second > 0) {
        snprintf(part, sizeof part, "  %s samples/s", cli_rate(p->samples_per_second).s);
        append(line, size, width, part);
    }
    append_left(p, line, size, width);
}

static void draw(cli_display *d, const rk_progress *p)
{
    char line[240] = "";
    char part[200];
    int width = columns();
    if (p->epoch > 0) {
        training_parts(p, line, sizeof line, width);
    } else {
        snprintf(part, sizeof part, "%s  %s", p->phase, cli_count(p->done).s);
        append(line, sizeof line, width, part);
        if (p->total > 0) {
            snprintf(part, sizeof part, " of %s", cli_count(p->total).s);
            append(line, sizeof line, width, part);
        }
        snprintf(part, sizeof part, " %s", p->unit ? p->unit : "");
        append(line, sizeof line, width, part);
        append_left(p, line, sizeof line, width);
    }
    if (p->total > 0 && p->done <= p->total) {
        char bar[BAR_WIDTH + 1];
        int filled = (int)((double)p->done / (double)p->total * (double)BAR_WIDTH);
        memset(bar, ' ', BAR_WIDTH);
        memset(bar, '=', (size_t)filled);
        bar[BAR_WIDTH] = '\0';
        snprintf(part, sizeof part, "  [%s]", bar);
        append(line, sizeof line, width, part);
    }
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
    d->line_shown = true;
}

/* A phase other than training is over: print a line if it took long enough to notice. */
static void tell_phase(cli_display *d)
{
    if (d->phase[0] && d->epoch.epoch == 0 && d->phase_seconds >= redraw_seconds && !d->terminal) {
        fprintf(stderr, "%s: %s %s in %s\n", d->phase, cli_count(d->done).s, d->unit,
                cli_seconds(d->phase_seconds).s);
        d->drawn_at = now();
    }
    d->phase_seconds = 0;
}

static void tell_epoch(cli_display *d)
{
    char line[240] = "";
    training_parts(&d->epoch, line, sizeof line, d->terminal ? columns() : (int)sizeof line);
    fprintf(stderr, "%s\n", line);
    d->epoch.epoch = 0;
    d->drawn_at = now();
}

/* The latest progress of training is that of an epoch whose steps are done. */
static bool epoch_is_done(const cli_display *d)
{
    const rk_progress *p = &d->epoch;
    const int64_t steps = p->epoch > 0 && p->epochs > 0 ? p->total / p->epochs : 0;
    return steps > 0 && p->done > 0 && p->done % steps == 0;
}

static void remember_metric(cli_display *d, const rk_progress *p)
{
    if (p->metric) {
        snprintf(d->metric, sizeof d->metric, "%s", p->metric);
        d->epoch.metric = d->metric;
        d->epoch.metric_value = p->metric_value;
    }
}

static void remember_epoch(cli_display *d, const rk_progress *p)
{
    d->epoch = *p;
    d->epoch.metric = NULL;
    remember_metric(d, p);
}

/* An epoch's line waits until the next epoch begins, since its metric comes after its last step. */
static void plain_training(cli_display *d, const rk_progress *p)
{
    double elapsed = now() - d->drawn_at;
    if (d->epoch.epoch > 0 && d->epoch.epoch != p->epoch && elapsed >= redraw_seconds) {
        remember_metric(d, p);
        tell_epoch(d);
    }
    remember_epoch(d, p);
    if (elapsed >= plain_seconds && p->done < p->total) {
        char line[240] = "";
        training_parts(p, line, sizeof line, (int)sizeof line);
        fprintf(stderr, "%s  (%s of %s %s)\n", line, cli_count(p->done).s, cli_count(p->total).s,
                p->unit ? p->unit : "");
        d->drawn_at = now();
    }
}

static void plain_phase(cli_display *d, const rk_progress *p)
{
    if (now() - d->drawn_at >= plain_seconds) {
        char left[96] = "";
        append_left(p, left, sizeof left, (int)sizeof left);
        fprintf(stderr, "%s: %s%s%s %s%s\n", p->phase, cli_count(p->done).s,
                p->total > 0 ? " of " : "", p->total > 0 ? cli_count(p->total).s : "",
                p->unit ? p->unit : "", left);
        d->drawn_at = now();
    }
}

static void on_progress(void *user, const rk_progress *p)
{
    cli_display *d = user;
    const char *phase = p->phase ? p->phase : "";
    if (d->quiet) {
        return;
    }
    if (strncmp(d->phase, phase, sizeof d->phase - 1) != 0) {
        tell_phase(d);
        snprintf(d->phase, sizeof d->phase, "%s", phase);
    }
    if (d->terminal) {
        double t = now();
        if (p->epoch > 0) {
            remember_epoch(d, p);
        }
        if (!d->line_shown || t - d->drawn_at >= redraw_seconds) {
            draw(d, p);
            d->drawn_at = t;
        }
    } else if (p->epoch > 0) {
        plain_training(d, p);
    } else {
        plain_phase(d, p);
    }
    d->done = p->done;
    d->phase_seconds = p->seconds;
    snprintf(d->unit, sizeof d->unit, "%s", p->unit ? p->unit : "");
}

static void on_log(void *user, rk_log_level level, const char *message)
{
    cli_display *d = user;
    if ((level == RK_LOG_DEBUG && !d->verbose) || (level < RK_LOG_WARNING && d->quiet)) {
        return;
    }
    erase(d);
    if (epoch_is_done(d)) {
        tell_epoch(d); /* before what is said about it, or about the whole run */
    }
    if (level == RK_LOG_WARNING) {
        fprintf(stderr, "%swarning:%s %s\n", cli_yellow(d->colour), cli_plain(d->colour), message);
    } else {
        fprintf(stderr, "%s\n", message);
    }
}

static bool on_should_stop(void *user)
{
    (void)user;
    return cli_signals_stop();
}

void cli_display_init(cli_display *d, const cli *c)
{
    *d = (cli_display){.quiet = c->quiet, .verbose = c->verbose};
    d->terminal = isatty(STDERR_FILENO) != 0;
    d->colour = cli_colour(stderr);
    d->drawn_at = now();
}

rk_hooks cli_display_hooks(cli_display *d)
{
    return (rk_hooks){
        .log = on_log, .progress = on_progress, .should_stop = on_should_stop, .user = d};
}

void cli_display_end(cli_display *d)
{
    erase(d);
    if (d->epoch.epoch > 0) {
        tell_epoch(d);
    } else {
        tell_phase(d);
    }
    d->phase[0] = '\0';
}
