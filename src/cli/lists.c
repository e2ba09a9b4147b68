/* Who and what is asked for: ids of the command line, of files, of labels. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"

enum { MOST_LABELLED = 20, LABELS_SHOWN = 5, LABEL_WIDTH = 40 };

static rk_status find(const rk_dataset *dataset, cli_what what, const char *id, int64_t *out)
{
    return what == CLI_USERS ? rk_dataset_find_user(dataset, id, out)
                             : rk_dataset_find_item(dataset, id, out);
}

const char *cli_why_unknown(const rk_dataset *dataset, cli_what what, const char *id)
{
    int64_t ignored;
    return find(dataset, what, id, &ignored) == RK_OK ? "" : rk_last_error();
}

static void *grow(void *v, int64_t n, int64_t *capacity, size_t size)
{
    if (n < *capacity) {
        return v;
    }
    const int64_t more = 2 * *capacity + 16;
    void *wider = cli_alloc((size_t)more, size);
    if (n > 0) {
        memcpy(wider, v, (size_t)n * size);
    }
    cli_free(v);
    *capacity = more;
    return wider;
}

static void add(cli_asking *a, const char *id, int64_t index, bool in_file)
{
    a->v = grow(a->v, a->n, &a->capacity, sizeof *a->v);
    a->v[a->n++] = (cli_asked){id, index, in_file};
    a->unknown += index < 0;
}

/* The asking owns the text from now on. */
static char *keep(cli_asking *a, char *text)
{
    char **more = cli_alloc((size_t)a->n_blocks + 1, sizeof *more);
    if (a->n_blocks > 0) {
        memcpy(more, a->blocks, (size_t)a->n_blocks * sizeof *more);
    }
    more[a->n_blocks++] = text;
    cli_free(a->blocks);
    a->blocks = more;
    return text;
}

void cli_asking_free(cli_asking *a)
{
    for (int i = 0; i < a->n_blocks; i++) {
        cli_free(a->blocks[i]);
    }
    cli_free(a->blocks);
    cli_free(a->v);
    *a = (cli_asking){0};
}

/* ---- files ---- */

static char *read_stream(FILE *file, size_t *length)
{
    size_t capacity = 1 << 16, n = 0;
    char *text = cli_alloc(capacity, 1);
    for (;;) {
        const size_t got = fread(text + n, 1, capacity - 1 - n, file);
        n += got;
        if (got == 0) {
            break;
        }
        if (n == capacity - 1) {
            char *wider = cli_alloc(2 * capacity, 1);
            memcpy(wider, text, n);
            cli_free(text);
            text = wider;
            capacity *= 2;
        }
    }
    text[n] = '\0';
    *length = n;
    return text;
}

/* The whole file, without a byte order mark; NULL after a message. */
static char *read_text(const char *path)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "standard input" : path;
    const int code = rk_status_exit_code(RK_ERR_IO);
    size_t length = 0;
    FILE *file = is_stdin ? stdin : fopen(path, "rb");
    if (!file || cli_is_directory(path)) {
        cli_error(code, "%s cannot be read: %s", name, strerror(file ? EISDIR : errno));
        if (file) {
            fclose(file);
        }
        return NULL;
    }
    char *text = read_stream(file, &length);
    const int error = ferror(file) ? errno : 0;
    if (!is_stdin) {
        fclose(file);
    }
    if (error != 0 || strlen(text) != length) {
        cli_error(code, "%s cannot be read: %s", name,
                  error ? strerror(error)
                        : "it holds a zero byte; it must be plain text in UTF-8, not compressed");
        cli_free(text);
        return NULL;
    }
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0) {
        memmove(text, text + 3, length - 2);
    }
    return text;
}

/* The next line of *at, ended in place; NULL behind the last. */
static char *next_line(char **at)
{
    char *line = *at;
    if (!line || *line == '\0') {
        return NULL;
    }
    char *end = line + strcspn(line, "\r\n");
    *at = *end == '\0' ? end : end[0] == '\r' && end[1] == '\n' ? end + 2 : end + 1;
    *end = '\0';
    return line;
}

/* The same of a file of delimited rows, where a quoted field may have line ends, if a quote closes
 * it; between tabs there are escapes instead. *inout_lines counts lines. */
static char *next_row(char **at, char separator, int64_t *inout_lines)
{
    char *row = *at, *end = row;
    bool in_quotes = false, begins = true;
    int64_t lines = 1;
    if (!row || *row == '\0') {
        return NULL;
    }
    for (; *end && (in_quotes || (*end != '\r' && *end != '\n')); end++) {
        if (*end == '"' && (in_quotes || begins)) {
            in_quotes = !in_quotes;
        }
        begins = *end == separator;
        lines += *end == '\n';
    }
    if (separator == '\t' || (*end == '\0' && in_quotes)) { /* or an ordinary quote */
        lines = 1;
        row = next_line(at);
    } else {
        *at = *end == '\0' ? end : end[0] == '\r' && end[1] == '\n' ? end + 2 : end + 1;
        *end = '\0';
    }
    *inout_lines += lines;
    return row;
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t')) {
        text[--n] = '\0';
    }
    return text;
}

/* What the export makes of \t, \n, \r and \\, back in place. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *at = text; *at; at++) {
        static const char letters[] = "tnr\\", special[] = "\t\n\r\\";
        const char *found = *at == '\\' && at[1] ? strchr(letters, at[1]) : NULL;
        *to++ = found ? special[found - letters] : *at;
        at += found != NULL;
    }
    *to = '\0';
}

/* A field of a delimited line from *at on, unquoted in place; *at goes behind its separator, or
 * becomes NULL. */
static char *next_field(char **at, char separator)
{
    char *field = *at, *to = *at, *from = *at;
    bool quoted = *from == '"';
    from += quoted;
    while (*from && (quoted || *from != separator)) {
        if (quoted && *from == '"') {
            if (from[1] != '"') {
                quoted = false;
                from++;
                continue;
            }
            from++;
        }
        *to++ = *from++;
    }
    *at = *from ? from + 1 : NULL;
    *to = '\0';
    return field;
}

/* The index of an id that stands in a file: as it is, or in one of the ways in which ids are
 * written; the text becomes the one that was found. */
static int64_t find_written(const rk_dataset *dataset, cli_what what, char *text)
{
    int64_t index = -1;
    if (find(dataset, what, text, &index) == RK_OK) {
        return index;
    }
    if (strchr(text, '\\')) {
        char *plain = cli_format("%s", text);
        unescape(plain);
        if (find(dataset, what, plain, &index) == RK_OK) {
            memcpy(text, plain, strlen(plain) + 1);
        }
        cli_free(plain);
    } else if (*text == '"') {
        char *plain = cli_format("%s", text), *at = plain;
        const char *field = next_field(&at, '\0');
        if (find(dataset, what, field, &index) == RK_OK) {
            memcpy(text, field, strlen(field) + 1);
        }
        cli_free(plain);
    }
    return index;
}

/* Whether it is the name of the column in a source of the model's data set. */
static bool is_source_column(const rk_model *model, const char *text, cli_what what)
{
    const char *name = NULL;
    bool is_one = false;
    for (int i = 0; !is_one; i++) {
        char *key = cli_format("data.sources[%d].%s", i, what == CLI_USERS ? "user" : "item");
        const rk_status status = rk_config_get(rk_model_config(model), key, &name);
        cli_free(key);
        if (status != RK_OK) {
            break;
        }
        /* a number is the place of a column */
        is_one = strcmp(name, text) == 0 && name[strspn(name, "0123456789")] != '\0';
    }
    return is_one;
}

/* Whether a text is a name that such a column has. */
static bool is_column(const rk_model *model, const char *text, cli_what what)
{
    static const char *const names[][8] = {
        [CLI_USERS] = {"user_id", "user", "userid", "uid", "user_id:token", "users", "user id"},
        [CLI_ITEMS] = {"item_id", "item", "itemid", "iid", "item_id:token", "items", "item id"}};
    for (int i = 0; i < 8 && names[what][i]; i++) {
        if (strcasecmp(text, names[what][i]) == 0) {
            return true;
        }
    }
    return is_source_column(model, text, what);
}

static char separator_of(const char *line)
{
    return strchr(line, '\t') ? '\t' : strchr(line, ',') ? ',' : ';';
}

/* The place of the column in a line of names, from 0; -1 = there is none. */
static int place_of(const rk_model *model, const char *line, cli_what what)
{
    char *copy = cli_format("%s", line), *at = copy;
    const char separator = separator_of(line);
    int place = -1;
    for (int i = 0; at && place < 0; i++) {
        place = is_column(model, trim(next_field(&at, separator)), what) ? i : -1;
    }
    cli_free(copy);
    return place;
}

/* The field at a place of a line, in place; the line itself where place is below 0. */
static char *field_at(char *line, char separator, int place)
{
    char *at = line, *field = line;
    for (int i = 0; i <= place; i++) {
        field = at ? next_field(&at, separator) : line + strlen(line);
    }
    return field;
}

int cli_ask_file(cli_asking *a, const rk_model *model, cli_what what, const char *path)
{
    const rk_dataset *dataset = rk_model_dataset(model);
    char *text = read_text(path), *at = text, separator = '\0';
    const int64_t before = a->n;
    int place = -1;
    bool is_first = true;
    if (!text) {
        return rk_status_exit_code(RK_ERR_IO);
    }
    keep(a, text);
    for (char *line = next_line(&at); line; line = next_line(&at)) {
        char *id = field_at(line, separator, place);
        int64_t index = *id ? find_written(dataset, what, id) : -1;
        if (index < 0) {
            id = trim(id);
            index = *id ? find_written(dataset, what, id) : -1;
        }
        if (is_first && index < 0 && *id) {
            place = place_of(model, line, what);
            separator = separator_of(line);
        }
        if (*id && !(is_first && place >= 0)) {
            add(a, id, index, true);
        }
        is_first = is_first && !*id;
    }
    if (a->n == before) {
        return cli_error(rk_status_exit_code(RK_ERR_DATA), "%s holds no id; it takes one a line",
                         strcmp(path, "-") == 0 ? "standard input" : path);
    }
    return 0;
}

/* ---- words ---- */

int cli_ask(cli_asking *a, const rk_model *model, cli_what what, const cli_list *words)
{
    const rk_dataset *dataset = rk_model_dataset(model);
    for (int i = 0; i < words->n; i++) {
        const char *word = words->v[i];
        int64_t index = -1;
        if (find(dataset, what, word, &index) == RK_OK) {
            add(a, word, index, false);
        } else if (word[0] == '@' && word[1]) {
            const int code = cli_ask_file(a, model, what, word + 1);
            if (code != 0) {
                return code;
            }
        } else if (!strchr(word, ',')) {
            add(a, word, -1, false);
        } else {
            char *at = keep(a, cli_format("%s", word));
            while (at) {
                char *comma = strchr(at, ',');
                if (comma) {
                    *comma = '\0';
                }
                index = -1;
                (void)find(dataset, what, at, &index);
                add(a, at, index, false);
                at = comma ? comma + 1 : NULL;
            }
        }
    }
    return 0;
}

void cli_ask_all(cli_asking *a, const rk_dataset *dataset, cli_what what)
{
    const rk_dataset_stats *stats = rk_dataset_get_stats(dataset);
    const int64_t n = what == CLI_USERS ? stats->users : stats->items;
    cli_asked *all = cli_alloc((size_t)(a->n + n), sizeof *all);
    if (a->n > 0) {
        memcpy(all, a->v, (size_t)a->n * sizeof *all);
    }
    cli_free(a->v);
    a->v = all;
    a->capacity = a->n + n;
    for (int64_t i = 0; i < n; i++) {
        add(a, NULL, i, false);
    }
}

int32_t *cli_indices(const cli_asking *a)
{
    int32_t *items = cli_alloc((size_t)a->n, sizeof *items);
    int64_t n = 0;
    for (int64_t i = 0; i < a->n; i++) {
        if (a->v[i].index >= 0) {
            items[n++] = (int32_t)a->v[i].index;
        }
    }
    return items;
}

/* ---- what must be known ---- */

int cli_must_know(const cli *c, const cli_asking *a, const rk_dataset *dataset, cli_what what,
                  const char *option)
{
    int64_t ignored;
    for (int64_t i = 0; i < a->n; i++) {
        if (a->v[i].index < 0 && (!a->v[i].in_file || a->unknown == a->n)) {
            return cli_fail(c, find(dataset, what, a->v[i].id, &ignored));
        }
    }
    if (a->unknown > 0 && !c->is_other) {
        fprintf(stderr, "warning: %s: %s of %s ids are not in the data set and are passed over\n",
                option, cli_count(a->unknown).s, cli_count(a->n).s);
    }
    return 0;
}

int cli_must_know_one(const cli *c, const cli_asking *a, const rk_dataset *dataset, cli_what what)
{
    int64_t ignored;
    return a->n > 0 && a->unknown == a->n ? cli_fail(c, find(dataset, what, a->v[0].id, &ignored))
                                          : 0;
}

/* ---- labels ---- */

static int too_many(const rk_dataset *dataset, const char *text, const int32_t *items, int64_t n)
{
    char room[RK_ID_BYTES];
    cli_error(0, "--label '%s' finds %s items, and %d at most are taken; say more, or take --items",
              text, cli_count(n).s, MOST_LABELLED);
    for (int i = 0; i < LABELS_SHOWN; i++) {
        fputs("  ", stderr);
        cli_print_id(stderr, rk_dataset_item_id(dataset, items[i], room), 12);
        cli_print_label(stderr, rk_dataset_item_label(dataset, items[i]), LABEL_WIDTH);
        fputc('\n', stderr);
    }
    return rk_status_exit_code(RK_ERR_CONFIG);
}

int cli_ask_labels(cli_asking *a, const rk_dataset *dataset, const cli_list *texts)
{
    int32_t items[MOST_LABELLED];
    rk_label_index *index = NULL;
    int code = 0;
    if (texts->n == 0) {
        return 0;
    }
    const cli quiet = {0};
    rk_status status = rk_label_index_create(dataset, &index);
    for (int i = 0; status == RK_OK && code == 0 && i < texts->n; i++) {
        int64_t n = 0;
        status = rk_label_index_find(index, texts->v[i], MOST_LABELLED, items, &n);
        if (status == RK_OK && n == 0) {
            code =
                cli_error(rk_status_exit_code(RK_ERR_DATA),
                          "--label '%s': no item has a label with words like these", texts->v[i]);
        } else if (status == RK_OK && n > MOST_LABELLED) {
            code = too_many(dataset, texts->v[i], items, n);
        }
        for (int64_t j = 0; status == RK_OK && code == 0 && j < n; j++) {
            add(a, NULL, items[j], false);
        }
    }
    rk_label_index_free(index);
    return status == RK_OK ? code : cli_fail(&quiet, status);
}

/* ---- pairs ---- */

typedef struct columns {
    char separator;
    int user, item; /* from 0 */
    bool has_names;
} columns;

/* By the first line: its separator, and the places of the names if it has some. */
static columns columns_of(const rk_model *model, const char *line)
{
    columns c = {.separator = separator_of(line), .item = 1};
    const int user = place_of(model, line, CLI_USERS), item = place_of(model, line, CLI_ITEMS);
    c.has_names = user >= 0 || item >= 0;
    if (c.has_names) { /* one of them may have a name of its own */
        c.user = user < 0 ? item == 0 : user;
        c.item = item < 0 ? user == 0 : item;
    }
    return c;
}

/* The separator of the first line of a text. */
static char first_separator(const char *text)
{
    text += strspn(text, "\r\n");
    char *line = cli_format("%.*s", (int)strcspn(text, "\r\n"), text);
    const char separator = separator_of(line);
    cli_free(line);
    return separator;
}

static int take_pair(cli_pairs *out, const rk_dataset *dataset, const columns *c, char *line,
                     const char *path, int64_t number)
{
    cli_pair pair = {.user = -1, .item = -1};
    char *at = line;
    for (int i = 0; at; i++) {
        char *field = next_field(&at, c->separator);
        if (i == c->user) {
            pair.user_id = trim(field);
            pair.user = find_written(dataset, CLI_USERS, trim(field));
        } else if (i == c->item) {
            pair.item_id = trim(field);
            pair.item = find_written(dataset, CLI_ITEMS, trim(field));
        }
    }
    if (!pair.user_id || !pair.item_id) {
        return cli_error(rk_status_exit_code(RK_ERR_DATA),
                         "%s:%" PRId64 ": a user and an item are wanted, with a comma, a semicolon "
                         "or a tab between them",
                         path, number);
    }
    out->v = grow(out->v, out->n, &out->capacity, sizeof *out->v);
    out->v[out->n++] = pair;
    return 0;
}

int cli_read_pairs(cli_pairs *out, const rk_model *model, const char *path)
{
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    columns c = {0};
    int code = 0;
    *out = (cli_pairs){.text = read_text(path)};
    if (!out->text) {
        return rk_status_exit_code(RK_ERR_IO);
    }
    char *at = out->text;
    const char separator = first_separator(out->text);
    int64_t lines = 0;
    while (code == 0) {
        const int64_t number = lines + 1;
        char *line = next_row(&at, separator, &lines);
        if (!line) {
            break;
        }
        if (*line == '\0') {
            continue;
        }
        if (c.separator == 0) {
            c = columns_of(model, line);
            if (c.has_names) {
                continue;
            }
        }
        code = take_pair(out, rk_model_dataset(model), &c, line, name, number);
    }
    if (code == 0 && out->n == 0) {
        code = cli_error(rk_status_exit_code(RK_ERR_DATA), "%s holds no pair of a user and an item",
                         name);
    }
    return code;
}

void cli_pairs_free(cli_pairs *pairs)
{
    cli_free(pairs->v);
    cli_free(pairs->text);
    *pairs = (cli_pairs){0};
}
