/*
 * Text helpers: printing numbers, strict number parsing, similarity of words, paths. The
 * library has its own, but they are not public.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>

#include "cli.h"
#include "text/utf8.h"

enum { MAX_WORD = 64 }; /* longer words are similar to none */

cli_text cli_score(float score)
{
    cli_text text = {""};
    const double size = fabs((double)score);
    const bool is_small = size > 0 && size < 1e-3;
    snprintf(text.s, sizeof text.s, is_small ? "%.2e" : "%.4f", (double)score);
    return text;
}

cli_text cli_count(int64_t n)
{
    char digits[32];
    cli_text text = {""};
    int length = snprintf(digits, sizeof digits, "%lld", (long long)n);
    int at = 0;
    for (int i = 0; i < length; i++) {
        int left = length - i;
        if (i > 0 && left % 3 == 0 && digits[i - 1] != '-') {
            text.s[at++] = ',';
        }
        text.s[at++] = digits[i];
    }
    text.s[at] = '\0';
    return text;
}

cli_text cli_rate(double per_second)
{
    cli_text text;
    if (per_second >= 1e6) {
        snprintf(text.s, sizeof text.s, "%.2fM", per_second / 1e6);
    } else if (per_second >= 1e4) {
        snprintf(text.s, sizeof text.s, "%.0fk", per_second / 1e3);
    } else {
        snprintf(text.s, sizeof text.s, "%.0f", per_second);
    }
    return text;
}

cli_text cli_seconds(double seconds)
{
    cli_text text;
    double whole = floor(seconds + 0.5);
    if (!(seconds >= 0)) {
        snprintf(text.s, sizeof text.s, "?");
    } else if (seconds < 9.995) {
        snprintf(text.s, sizeof text.s, "%.2f s", seconds);
    } else if (seconds < 59.95) {
        snprintf(text.s, sizeof text.s, "%.1f s", seconds);
    } else if (whole < 3600) {
        snprintf(text.s, sizeof text.s, "%dm%02ds", (int)whole / 60, (int)whole % 60);
    } else {
        double minutes = floor(seconds / 60 + 0.5);
        snprintf(text.s, sizeof text.s, "%.0fh%02dm", floor(minutes / 60), (int)fmod(minutes, 60));
    }
    return text;
}

cli_text cli_bytes(double bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    cli_text text;
    int unit = 0;
    while (bytes >= 999.5 && unit < 4) {
        bytes /= 1000;
        unit++;
    }
    snprintf(text.s, sizeof text.s, unit > 0 && bytes < 9.95 ? "%.1f %s" : "%.0f %s", bytes,
             units[unit]);
    return text;
}

cli_text cli_percent(double share)
{
    cli_text text;
    snprintf(text.s, sizeof text.s, "%.4g %%", 100 * share);
    return text;
}

bool cli_parse_int(const char *text, int64_t min, int64_t max, int64_t *out)
{
    bool negative = *text == '-';
    const char *at = text + (*text == '-' || *text == '+');
    int64_t value = 0; /* kept negative, since that range is larger by one */
    if (*at == '\0') {
        return false;
    }
    for (; *at; at++) {
        if (*at < '0' || *at > '9') {
            return false;
        }
        int digit = *at - '0';
        if (value < (INT64_MIN + digit) / 10) {
            return false;
        }
        value = value * 10 - digit;
    }
    if (!negative) {
        if (value == INT64_MIN) {
            return false;
        }
        value = -value;
    }
    if (value < min || value > max) {
        return false;
    }
    *out = value;
    return true;
}

/* Optimal string alignment: three rows of the table are enough. */
int cli_distance(const char *a, const char *b)
{
    int rows[3][MAX_WORD + 1];
    int n = (int)strnlen(a, MAX_WORD + 1);
    int m = (int)strnlen(b, MAX_WORD + 1);
    if (n > MAX_WORD || m > MAX_WORD) {
        return MAX_WORD;
    }
    for (int j = 0; j <= m; j++) {
        rows[0][j] = j;
    }
    for (int i = 1; i <= n; i++) {
        int *now = rows[i % 3];
        const int *last = rows[(i + 2) % 3];
        const int *before = rows[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            int best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best) {
                best = last[j] + 1;
            }
            if (now[j - 1] + 1 < best) {
                best = now[j - 1] + 1;
            }
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            now[j] = best;
        }
    }
    return rows[n % 3][m];
}

static _Noreturn void out_of_memory(size_t bytes)
{
    exit(cli_error(rk_status_exit_code(RK_ERR_MEMORY), "out of memory: %zu bytes wanted", bytes));
}

void *cli_alloc(size_t count, size_t size)
{
    void *pointer = calloc(count > 0 ? count : 1, size);
    if (!pointer) {
        out_of_memory(size > SIZE_MAX / (count > 0 ? count : 1) ? SIZE_MAX : count * size);
    }
    return pointer;
}

void cli_free(void *pointer)
{
    free(pointer);
}

char *cli_format(const char *format, ...)
{
    va_list arguments;
    char *text;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        out_of_memory(strlen(format));
    }
    return text;
}

static int count_characters(const char *text)
{
    int n = 0;
    const char *end = text + strlen(text);
    for (const char *at = text; at < end; n++) {
        text_utf8_next(&at, end);
    }
    return n;
}

void cli_print_label(FILE *out, const char *text, int width)
{
    const int characters = count_characters(text);
    int shown = characters > width ? width - 3 : characters;
    const char *at = text, *end = text + strlen(text);
    for (int i = 0; i < shown; i++) {
        const char *start = at;
        uint32_t value = text_utf8_next(&at, end);
        /* a label comes from a data file: it must not control the terminal */
        if (value < 0x20 || (value >= 0x7F && value < 0xA0)) {
            fputc('?', out);
        } else if (value == 0xFFFD && at == start + 1) {
            fputs("\xEF\xBF\xBD", out);
        } else {
            fwrite(start, 1, (size_t)(at - start), out);
        }
    }
    if (shown < characters) {
        fputs("...", out);
    }
}

void cli_print_id(FILE *out, const char *id, int width)
{
    const int n = count_characters(id);
    cli_print_label(out, id, n);
    fprintf(out, "%*s", n < width ? width - n : 0, "");
}

char *cli_quote(const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "_-./:@%+=,";
    bool has_control = false;
    if (*text && strspn(text, plain) == strlen(text)) {
        return cli_format("%s", text);
    }
    for (const char *at = text; *at; at++) {
        has_control = has_control || (unsigned char)*at < 0x20 || *at == 0x7F;
    }
    char *out = cli_format("%s", has_control ? "$'" : "'");
    for (const char *at = text; *at; at++) {
        bool is_control = (unsigned char)*at < 0x20 || *at == 0x7F;
        char *longer = is_control    ? cli_format("%s\\%03o", out, (unsigned)(unsigned char)*at)
                       : *at == '\'' ? cli_format("%s%s", out, has_control ? "\\'" : "'\\''")
                       : has_control && *at == '\\' ? cli_format("%s\\\\", out)
                                                    : cli_format("%s%c", out, *at);
        cli_free(out);
        out = longer;
    }
    char *whole = cli_format("%s'", out);
    cli_free(out);
    return whole;
}

char *cli_quote_path(const char *path)
{
    char *plain = cli_format("%s%s", *path == '-' ? "./" : "", path), *quoted = cli_quote(plain);
    cli_free(plain);
    return quoted;
}

char *cli_command_line(const cli *c)
{
    char *line = cli_format("rankine");
    for (char **word = c->words + 1; *word; word++) {
        char *quoted = cli_quote(*word), *longer = cli_format("%s %s", line, quoted);
        cli_free(quoted);
        cli_free(line);
        line = longer;
    }
    return line;
}

bool cli_is_there(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool cli_is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool cli_exists(const char *directory, const char *file)
{
    struct stat info;
    char *path = cli_format("%s/%s", directory, file);
    bool there = stat(path, &info) == 0;
    cli_free(path);
    return there;
}

char *cli_new_folder(const char *path, const char *kind)
{
    char stamp[32];
    struct tm parts;
    const time_t now = time(NULL);
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    const bool is_yaml =
        dot && dot > name && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
    localtime_r(&now, &parts);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &parts);
    return cli_format("runs/%.*s%s-%s", (int)(is_yaml ? (size_t)(dot - name) : strlen(name)), name,
                      kind, stamp);
}
