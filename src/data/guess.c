#include "data/guess.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/moment.h"
#include "config/utf8.h"
#include "data/hash.h"
#include "data/id_rule.h"
#include "data/table_kinds.h"

enum { SAMPLE = 100 /* lines that separators are counted in */ };

/* ---- separators ---- */

static const char *const separators[] = {"\t", "::", ",", ";", "|", " "};
enum { SEPARATORS = sizeof separators / sizeof separators[0], NOWHERE = -1 };

/* Fields of a line, quoted ones as one. */
static int64_t count_fields(rk_text line, const char *separator)
{
    const int64_t length = (int64_t)strlen(separator);
    bool quoted = false;
    int64_t n = 1;
    for (int64_t i = 0; i < line.length; i++) {
        if (line.at[i] == '"') {
            quoted = !quoted;
        } else if (!quoted && i + length <= line.length &&
                   memcmp(line.at + i, separator, (size_t)length) == 0) {
            n++;
            i += length - 1;
        }
    }
    return n;
}

/* For each separator: how many lines have how many fields. */
typedef struct votes {
    int64_t lines;
    int64_t first[SEPARATORS]; /* fields of the first line */
    int64_t same[SEPARATORS];  /* lines with as many, where that is above 1 */
    int64_t words;             /* lines of nothing but integers and blanks */
    char head[1024];           /* the first line */
} votes;

static bool is_integers(rk_text line)
{
    bool any = false;
    for (int64_t i = 0; i < line.length; i++) {
        char c = line.at[i];
        any = any || (c >= '0' && c <= '9');
        if (!(c >= '0' && c <= '9') && c != ' ' && c != '\t') {
            return false;
        }
    }
    return any;
}

static rk_status vote(votes *v, const char *path)
{
    rk_lines lines = {0};
    rk_status status = RK_OK;
    bool end = false;
    RK_TRY(rk__lines_open(&lines, path, (rk_line_options){0}));
    while (v->lines < SAMPLE) {
        RK_TRY_GOTO(done, rk__lines_next(&lines, &end));
        if (end) {
            break;
        }
        if (rk__lines_is_blank(&lines)) {
            continue;
        }
        const rk_text line = {rk__lines_at(&lines), rk__lines_length(&lines)};
        if (v->lines == 0) {
            snprintf(v->head, sizeof v->head, "%.*s",
                     (int)(line.length < 1000 ? line.length : 1000), line.at);
        }
        for (int i = 0; i < SEPARATORS; i++) {
            int64_t n = count_fields(line, separators[i]);
            v->first[i] = v->lines == 0 ? n : v->first[i];
            v->same[i] += n == v->first[i] && n > 1;
        }
        v->words += is_integers(line);
        v->lines++;
    }
done:
    rk__lines_close(&lines);
    return status;
}

/* The separator that divides most lines alike; of those the one with most columns, and blanks,
 * which texts are full of, where there is no other. */
static int elect(const votes *v)
{
    int best = NOWHERE;
    for (int i = 0; i < SEPARATORS; i++) {
        bool more = best != NOWHERE && v->first[i] > v->first[best] && separators[i][0] != ' ';
        bool better =
            best == NOWHERE || v->same[i] > v->same[best] || (v->same[i] == v->same[best] && more);
        best = v->same[i] > 0 && better ? i : best;
    }
    return best;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The format, from the name or the first lines. */
static rk_status find_format(rk_look *look)
{
    votes v = {0};
    if (ends_with(look->path, ".npz")) {
        look->format = "npz";
        return RK_OK;
    }
    RK_TRY(vote(&v, look->path));
    const int best = elect(&v);
    look->format = "csv";
    if (v.lines == 0) {
        RK_FAIL(RK_ERR_DATA, "%s has no lines: there is nothing to look at", look->path);
    }
    if (v.head[0] == '{') {
        look->format = "jsonl";
        return RK_OK;
    }
    if (strncmp(v.head, "%%MatrixMarket", 14) == 0) {
        look->format = "mtx";
        return RK_OK;
    }
    if (strstr(v.head, ":token") || ends_with(look->path, ".inter")) {
        look->format = "inter";
        look->header = true;
    } else if (v.words == v.lines && (best == NOWHERE || v.same[best] < v.lines)) {
        look->format = "adjacency"; /* a user and as many items as they have */
        return RK_OK;
    }
    if (best == NOWHERE) {
        RK_FAIL(RK_ERR_DATA,
                "%s: its lines have one column only, by tabs, commas, semicolons, bars, '::' and "
                "blanks; a config says other separators in data.sources[0].separator",
                look->path);
    }
    snprintf(look->separator, sizeof look->separator, "%s", separators[best]);
    return RK_OK;
}

/* ---- rows ---- */

/* The cell of a value: its own, or the empty one where it goes. */
static uint64_t *cell_of(const rk_guess_column *c, const char *text, int64_t length, uint64_t *hash)
{
    const uint64_t mask = 2 * (uint64_t)c->most - 1;
    *hash = rk__hash(RK_HASH_START, text, length) | 1; /* 0 = an empty cell */
    uint64_t at = *hash & mask;
    while (c->seen[at] != 0 && c->seen[at] != *hash) {
        at = (at + 1) & mask;
    }
    return &c->seen[at];
}

static void note_distinct(rk_guess_column *c, rk_text field)
{
    uint64_t hash = 0;
    if (c->distinct < c->most) {
        uint64_t *cell = cell_of(c, field.at, field.length, &hash);
        c->distinct += *cell == 0;
        *cell = hash;
    }
}

static void note_number(rk_guess_column *c, double number)
{
    bool is_first = c->numbers + c->comma_numbers == 0;
    c->rising += !is_first && number == c->last + 1; /* exact: whole numbers */
    c->first = is_first ? number : c->first;
    c->last = number;
    c->min = is_first || number < c->min ? number : c->min;
    c->max = is_first || number > c->max ? number : c->max;
}

/* 4,5 as a number; false if it is none. */
static bool parse_comma(rk_text field, double *out)
{
    char text[48];
    char *comma;
    if (field.length >= (int64_t)sizeof text) {
        return false;
    }
    memcpy(text, field.at, (size_t)field.length);
    text[field.length] = '\0';
    comma = strchr(text, ',');
    if (!comma || strchr(comma + 1, ',')) {
        return false;
    }
    *comma = '.';
    return rk__parse_real(text, strlen(text), out) == RK_PARSE_OK;
}

static bool is_id(rk_text field)
{
    int64_t number = 0;
    for (int64_t i = 0; i < field.length; i++) {
        if (field.at[i] < '0' || field.at[i] > '9') {
            return false;
        }
    }
    return field.length > 0 && (field.length == 1 || field.at[0] != '0') &&
           rk__parse_int(field.at, (size_t)field.length, &number) == RK_PARSE_OK;
}

static bool is_utf8(rk_text text)
{
    for (int64_t at = 0; at < text.length;) {
        size_t length = rk__utf8_length(text.at + at, (size_t)(text.length - at));
        if (length == 0) {
            return false;
        }
        at += (int64_t)length;
    }
    return true;
}

/* Nothing, or a word for it. */
static bool is_missing(rk_text field)
{
    enum { LONGEST = 8 };
    rk_id_rule rule = {.ids = RK_IDS_TEXT, .missing = RK_MISSING_DROP};
    const char *ignored = NULL;
    bool missing = field.length == 0;
    if (!missing && field.length <= LONGEST && (field.at[0] < '0' || field.at[0] > '9')) {
        rk__id_check_text(&rule, false, &field, &missing, &ignored);
    }
    return missing;
}

void rk__guess_note(rk_guess_column *c, rk_text raw)
{
    const rk_text field = rk__trimmed(raw);
    double number = 0, seconds = 0;
    c->n++;
    if (is_missing(field)) {
        c->empty++;
        return;
    }
    note_distinct(c, field);
    c->foreign += !is_utf8(field);
    c->ids += is_id(field);
    if (rk__parse_real(field.at, (size_t)field.length, &number) == RK_PARSE_OK) {
        note_number(c, number);
        c->numbers++;
        c->comma_numbers++;
    } else if (parse_comma(field, &number)) {
        note_number(c, number);
        c->comma_numbers++;
    } else if (rk__parse_moment(field.at, (size_t)field.length, &seconds) == RK_PARSE_OK) {
        c->dates++;
    }
}

/* ---- the table ---- */

/* A table of many columns gets less memory for each. */
rk_status rk__guess_make_columns(rk_look *look, int64_t n)
{
    enum { FEW = 32, MOST = 1 << 16, LESS = 1 << 9 };
    RK_TRY(rk__calloc(&look->columns, n, sizeof *look->columns, "the columns of a file"));
    look->n_columns = n;
    for (int64_t i = 0; i < n; i++) {
        rk_guess_column *c = &look->columns[i];
        c->most = n <= FEW ? MOST : LESS;
        RK_TRY(rk__calloc(&c->seen, 2 * c->most, sizeof *c->seen, "the values of a column"));
    }
    return RK_OK;
}

/* Words without digits that do not come again, above columns of which two at least have each of
 * their values many times: names, in whatever language. */
static bool are_names(const rk_look *look, char *const *first)
{
    enum { MANY = 4 };
    int64_t repeating = 0;
    uint64_t hash = 0;
    for (int64_t i = 0; i < look->n_columns; i++) {
        const rk_guess_column *c = &look->columns[i];
        if (first[i][strcspn(first[i], "0123456789")] != '\0' ||
            *cell_of(c, first[i], (int64_t)strlen(first[i]), &hash) != 0) {
            return false;
        }
        repeating += c->distinct < c->most && MANY * c->distinct <= c->n - c->empty;
    }
    return repeating >= 2;
}

/* 0, 1, 2 ... with which pandas heads columns without names. It could be a row, but not where one
 * of them is nowhere below. */
static rk_status check_places(const rk_look *look, char *const *first)
{
    bool is_row = true;
    for (int64_t i = 0; i < look->n_columns; i++) {
        char place[24];
        uint64_t hash = 0;
        snprintf(place, sizeof place, "%lld", (long long)i);
        if (strcmp(first[i], place) != 0) {
            return RK_OK;
        }
        is_row = is_row && *cell_of(&look->columns[i], place, (int64_t)strlen(place), &hash) != 0;
    }
    if (look->n_columns > 1 && look->rows > 0 && !is_row) {
        RK_FAIL(RK_ERR_DATA,
                "%s: its first line numbers the columns (0, 1 ...) instead of naming them: write "
                "names there, or remove it (tail -n +2 FILE; pandas: to_csv(..., header=False))",
                look->path);
    }
    return RK_OK;
}

/* The first row is not data: a known name, a word above numbers or dates, or none but names. */
static bool is_header(const rk_look *look, char *const *first)
{
    for (int64_t i = 0; i < look->n_columns; i++) {
        const rk_guess_column *c = &look->columns[i];
        const int64_t there = c->n - c->empty;
        double number = 0;
        bool is_number = rk__parse_real(first[i], strlen(first[i]), &number) == RK_PARSE_OK;
        bool is_date = rk__parse_moment(first[i], strlen(first[i]), &number) == RK_PARSE_OK;
        if (!is_number && !is_date && first[i][0] != '\0' &&
            (rk__guess_knows_name(first[i]) ||
             (there > 0 && (c->comma_numbers == there || c->dates == there)))) {
            return true;
        }
    }
    return are_names(look, first);
}

static rk_status keep_first(const rk_table *table, char **first)
{
    for (int i = 0; i < table->n_wanted; i++) {
        const rk_text field = rk__trimmed(table->fields[i]);
        RK_TRY(rk__strndup(&first[i], field.at, (size_t)field.length));
    }
    return RK_OK;
}

/* The names of the columns, if the first row has them; else that row is data, too. */
static rk_status take_first(rk_look *look, char **first)
{
    look->header = look->header || is_header(look, first);
    RK_TRY(look->header ? RK_OK : check_places(look, first));
    for (int64_t i = 0; i < look->n_columns; i++) {
        rk_guess_column *c = &look->columns[i];
        char *colon =
            look->header && strcmp(look->format, "inter") == 0 ? strchr(first[i], ':') : NULL;
        size_t length = colon ? (size_t)(colon - first[i]) : strlen(first[i]);
        RK_TRY(rk__strndup(&c->name, first[i], look->header ? length : 0));
        if (!look->header) {
            const double second = c->first;
            const int64_t rising = c->rising;
            rk__guess_note(
                c, (rk_text){first[i], (int64_t)strlen(first[i])}); /* before all others, in fact */
            c->rising = rising + (c->last + 1 == second);
        }
    }
    look->rows += !look->header;
    return RK_OK;
}

static rk_status read_rows(rk_look *look, rk_table *table, char **first)
{
    bool end = false;
    RK_TRY(rk__table_next(table, &end));
    RK_TRY(keep_first(table, first));
    while (look->rows < RK_GUESS_ROWS) {
        RK_TRY(rk__table_next(table, &end));
        if (end) {
            look->whole = true;
            break;
        }
        for (int i = 0; i < table->n_wanted; i++) {
            rk__guess_note(&look->columns[i], table->fields[i]);
        }
        look->rows++;
    }
    return take_first(look, first);
}

static rk_status read_table(rk_look *look, bool quotes)
{
    const rk_table_format format = {.separator = look->separator, .quotes = quotes};
    rk_table table = {0};
    char **first = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__table_open(&table, &format, look->path, (rk_line_options){0}));
    RK_TRY_GOTO(done, rk__guess_make_columns(look, table.n_columns));
    RK_TRY_GOTO(done, rk__calloc(&first, table.n_columns, sizeof *first, "the first row"));
    for (int64_t i = 0; i < table.n_columns; i++) {
        char index[24];
        int place = 0;
        snprintf(index, sizeof index, "%lld", (long long)i);
        RK_TRY_GOTO(done, rk__table_want(&table, index, "a column", &place));
    }
    status = read_rows(look, &table, first);
done:
    for (int64_t i = 0; first && i < look->n_columns; i++) {
        rk__free(first[i]);
    }
    rk__free(first);
    rk__table_close(&table);
    return status;
}

static void forget_columns(rk_look *look)
{
    for (int64_t i = 0; i < look->n_columns; i++) {
        rk__free(look->columns[i].name);
        rk__free(look->columns[i].seen);
    }
    rk__free(look->columns);
    look->columns = NULL;
    look->n_columns = look->rows = 0;
}

/* With quotes, or without them where they do not come in pairs. */
static rk_status read_text(rk_look *look)
{
    char *said = NULL;
    bool header = look->header;
    rk_status status = read_table(look, true);
    if (status != RK_ERR_DATA) {
        return status;
    }
    RK_TRY(rk__strdup(&said, rk_last_error()));
    forget_columns(look);
    look->header = header;
    if (read_table(look, false) == RK_OK) {
        look->without_quotes = true;
        status = RK_OK;
    } else {
        status = rk__fail(RK_ERR_DATA, __FILE__, __LINE__, __func__, "%s", said);
    }
    rk__free(said);
    return status;
}

/* Numbers with a comma where no column's numbers have a point. */
static void find_decimals(rk_look *look)
{
    bool any_comma = false, any_point = false;
    for (int64_t i = 0; i < look->n_columns; i++) {
        const rk_guess_column *c = &look->columns[i];
        bool is_number = c->n > c->empty && c->comma_numbers == c->n - c->empty;
        any_comma = any_comma || (is_number && c->comma_numbers > c->numbers);
        any_point =
            any_point || (is_number && c->numbers == c->n - c->empty && c->ids < c->numbers);
    }
    look->decimal_comma = any_comma && !any_point;
}

/* ---- the call ---- */

typedef struct owned {
    char *config, *columns[RK_ROLE_COUNT];
    char separator[8];
} owned;

void rk_guess_free(rk_guess *guess)
{
    owned *mine = guess ? guess->owned : NULL;
    if (mine) {
        rk__free(mine->config);
        for (int role = 0; role < RK_ROLE_COUNT; role++) {
            rk__free(mine->columns[role]);
        }
        rk__free(mine);
        *guess = (rk_guess){0};
    }
}

static rk_status hand_over(const rk_look *look, const char *file, const char *name, rk_guess *out)
{
    owned *mine = NULL;
    RK_TRY(rk__calloc(&mine, 1, sizeof *mine, "a guess"));
    *out = (rk_guess){.owned = mine};
    RK_TRY(rk__guess_config(look, file, name, &mine->config));
    memcpy(mine->separator, look->separator, sizeof mine->separator);
    for (int role = 0; look->n_columns > 0 && role < RK_ROLE_COUNT; role++) {
        if (look->role[role] >= 0) {
            RK_TRY(rk__guess_column_name(look, look->role[role], &mine->columns[role]));
        }
    }
    out->config = mine->config;
    out->format = look->format;
    out->separator = mine->separator[0] ? mine->separator : NULL;
    out->header = look->header;
    out->user = mine->columns[RK_ROLE_USER];
    out->item = mine->columns[RK_ROLE_ITEM];
    out->time = mine->columns[RK_ROLE_TIME];
    out->value = mine->columns[RK_ROLE_VALUE];
    out->ids = rk__guess_has_text_ids(look) ? "text" : "integer";
    out->rows = look->rows;
    out->whole = look->whole;
    return RK_OK;
}

static rk_status look_at(rk_look *look)
{
    RK_TRY(find_format(look));
    const bool is_json = strcmp(look->format, "jsonl") == 0;
    if (!is_json && look->separator[0] == '\0') {
        return RK_OK; /* a format without columns to choose from */
    }
    RK_TRY(is_json ? rk__guess_read_json(look) : read_text(look));
    if (look->rows == 0) {
        RK_FAIL(RK_ERR_DATA, "%s has names in its first line and no rows", look->path);
    }
    find_decimals(look);
    RK_TRY(rk__guess_roles(look));
    for (int role = RK_ROLE_USER; role <= RK_ROLE_ITEM; role++) {
        look->is_latin1 = look->is_latin1 || look->columns[look->role[role]].foreign > 0;
    }
    return RK_OK;
}

rk_status rk_guess_file(const char *path, const char *file, const char *name, rk_guess *out)
{
    rk_look look = {.path = path};
    struct stat info;
    *out = (rk_guess){0};
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        RK_FAIL(RK_ERR_IO, "%s is %s: name a file, which is looked at more than once", path,
                S_ISDIR(info.st_mode) ? "a folder" : "no regular file");
    }
    rk_status status = look_at(&look);
    if (status == RK_OK) {
        status = hand_over(&look, file, name, out);
    }
    if (status != RK_OK) {
        rk_guess_free(out);
    }
    forget_columns(&look);
    return status;
}
