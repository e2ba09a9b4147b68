/* What was found, as a config with comments for somebody who has none yet. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "data/guess.h"

bool rk__guess_has_text_ids(const rk_look *look)
{
    for (int role = RK_ROLE_USER; look->n_columns > 0 && role <= RK_ROLE_ITEM; role++) {
        const rk_guess_column *c = &look->columns[look->role[role]];
        if (c->ids < c->n - c->empty) {
            return true;
        }
    }
    return false;
}

static bool has_gaps(const rk_look *look)
{
    for (int role = RK_ROLE_USER; look->n_columns > 0 && role <= RK_ROLE_ITEM; role++) {
        if (look->columns[look->role[role]].empty > 0) {
            return true;
        }
    }
    return false;
}

/* In double quotes of YAML. */
static void add_quoted(rk_buffer *out, const char *text)
{
    rk__buffer_add(out, "\"");
    for (const char *at = text; *at; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\') {
            rk__buffer_add(out, "\\%c", c);
        } else if (c == '\t') {
            rk__buffer_add(out, "\\t");
        } else if (c < 0x20 || c == 0x7F) {
            rk__buffer_add(out, "\\x%02x", c);
        } else {
            rk__buffer_add(out, "%c", c);
        }
    }
    rk__buffer_add(out, "\"");
}

static void add_key(rk_buffer *out, const char *key, const char *text)
{
    rk__buffer_add(out, "          %s: ", key);
    add_quoted(out, text);
    rk__buffer_add(out, "\n");
}

static const char *separator_name(const char *separator)
{
    static const struct {
        const char *separator, *name;
    } names[] = {{"\t", "tabs"}, {",", "commas"}, {";", "semicolons"},
                 {"|", "bars"},  {" ", "blanks"}, {"::", "double colons"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(separator, names[i].separator) == 0) {
            return names[i].name;
        }
    }
    return "nothing";
}

/* The comment at the top. */
static void add_head(rk_buffer *out, const rk_look *look)
{
    rk__buffer_add(out,
                   "# A first config, by `rankine init`. Train with it, then change what it says:\n"
                   "# `rankine help options` explains every option and what else there is.\n#\n");
    if (look->n_columns == 0) {
        rk__buffer_add(
            out, strcmp(look->format, "adjacency") == 0
                     ? "# Each line of the file is a user and their items.\n\n"
                     : "# A row of the matrix is a user, a column an item; in one of items by\n"
                       "# users say `user: column` and `item: row`.\n\n");
        return;
    }
    rk__buffer_add(out, "# Looked at: %s%lld rows.", look->whole ? "all " : "the first ",
                   (long long)look->rows);
    if (strcmp(look->format, "jsonl") == 0) {
        rk__buffer_add(out, " Keys:\n#");
    } else {
        rk__buffer_add(out, " Columns, divided by %s, %s:\n#", separator_name(look->separator),
                       look->header ? "named in the first line"
                                    : "without names: the first line is a row");
    }
    enum { SHOWN = 24 };
    for (int64_t i = 0; i < look->n_columns && i < SHOWN; i++) {
        const char *role = i == look->role[RK_ROLE_USER]    ? " (user)"
                           : i == look->role[RK_ROLE_ITEM]  ? " (item)"
                           : i == look->role[RK_ROLE_TIME]  ? " (time)"
                           : i == look->role[RK_ROLE_VALUE] ? " (value)"
                                                            : "";
        const char *name = look->columns[i].name;
        rk__buffer_add(out, "%s ", i > 0 ? "," : "");
        if (name[0] == '\0') {
            rk__buffer_add(out, "%lld%s", (long long)i, role);
        } else {
            for (const char *at = name; *at && at < name + 40; at++) {
                rk__buffer_add(out, "%c", (unsigned char)*at < 0x20 || *at == 0x7F ? '?' : *at);
            }
            rk__buffer_add(out, "%s", role);
        }
    }
    if (look->n_columns > SHOWN) {
        rk__buffer_add(out, ", and %lld more", (long long)look->n_columns - SHOWN);
    }
    rk__buffer_add(out, "\n\n");
}

static bool looks_like_ratings(const rk_guess_column *c)
{
    return c->distinct > 1 && c->distinct <= 21 && c->min >= 0 && c->max >= 3 && c->max <= 10;
}

/* What the column of values could be used for. */
static void add_value(rk_buffer *out, const rk_look *look, const char *column)
{
    const rk_guess_column *c = &look->columns[look->role[RK_ROLE_VALUE]];
    const char *plain = strspn(column, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
                                       "0123456789") == strlen(column)
                            ? column
                            : NULL;
    if (!plain) {
        return;
    }
    if (looks_like_ratings(c)) {
        rk__buffer_add(out,
                       "          # %s goes from %g to %g; to learn from what people liked only:\n"
                       "          # where: \"%s >= %g\"\n",
                       column, c->min, c->max, column, c->max > 5 ? 7.0 : 4.0);
    } else {
        rk__buffer_add(out,
                       "          # rows with a small %s could be left out:\n"
                       "          # where: \"%s >= 2\"\n",
                       column, column);
    }
}

static rk_status add_source(rk_buffer *out, const rk_look *look, const char *file)
{
    static const char *const keys[] = {"user", "item", "time"};
    bool is_csv = strcmp(look->format, "csv") == 0, is_inter = strcmp(look->format, "inter") == 0;
    rk__buffer_add(out, "    sources:\n        - file: ");
    add_quoted(out, file);
    rk__buffer_add(out, "\n");
    if (!is_csv) {
        rk__buffer_add(out, "          format: %s\n", look->format);
    }
    if (look->n_columns == 0) {
        return RK_OK;
    }
    if (is_csv || (is_inter && strcmp(look->separator, "\t") != 0)) {
        add_key(out, "separator", look->separator);
    }
    if (is_csv) {
        rk__buffer_add(out, "          header: %s\n", look->header ? "true" : "false");
    }
    for (int role = RK_ROLE_USER; role <= RK_ROLE_TIME; role++) {
        char *column = NULL;
        if (look->role[role] < 0) {
            continue;
        }
        RK_TRY(rk__guess_column_name(look, look->role[role], &column));
        add_key(out, keys[role], column);
        rk__free(column);
    }
    if (look->without_quotes) {
        rk__buffer_add(out, "          quotes: false\n");
    }
    if (look->decimal_comma) {
        rk__buffer_add(out, "          decimal: comma\n");
    }
    if (look->is_latin1) {
        rk__buffer_add(out, "          encoding: latin-1\n");
    }
    if (look->role[RK_ROLE_VALUE] >= 0) {
        char *column = NULL;
        RK_TRY(rk__guess_column_name(look, look->role[RK_ROLE_VALUE], &column));
        add_value(out, look, column);
        rk__free(column);
    }
    return RK_OK;
}

static void add_split(rk_buffer *out, bool has_times)
{
    rk__buffer_add(
        out,
        "\n# Of each user's items %s 10 %% are kept back to test the model, and %s 10 %%\n"
        "# to choose its epoch. Other kinds: leave_one_out, time, given.\n"
        "split:\n"
        "    kind: ratio\n"
        "    order: %s\n"
        "    valid: 0.1\n"
        "    test: 0.1\n",
        has_times ? "the latest" : "a random", has_times ? "those before them" : "another",
        has_times ? "time" : "random");
}

/* Steps that are small enough for few rows, and cut-offs below the number of items. */
static void add_training(rk_buffer *out, const rk_look *look)
{
    const int64_t items =
        look->n_columns > 0 ? look->columns[look->role[RK_ROLE_ITEM]].distinct : 0;
    bool few_items = look->whole && items > 0 && items < 20;
    int64_t batch = 2048, k = few_items && items < 10 ? (items + 1) / 2 : 10;
    while (look->whole && batch > 64 && batch * 20 > look->rows) {
        batch /= 2;
    }
    rk__buffer_add(
        out,
        "\n# mf reads the options below, too. ials, ease, slim, item_knn and others have some "
        "of their\n# own in place of layers, init, loss, sampling: `rankine help "
        "options`.\n"
        "model:\n"
        "    kind: lightgcn\n"
        "    dim: 64\n"
        "    layers: 2\n"
        "    init: xavier\n"
        "\n# A softmax over the other items of the batch: quick and good on most data.\n"
        "loss:\n"
        "    kind: softmax\n"
        "    temperature: 0.2\n"
        "    popularity_correction: 1    # less: rarer items\n"
        "    l2: 1e-5\n"
        "\nsampling:\n"
        "    negatives: in_batch\n"
        "\ntrain:\n"
        "    epochs: 100\n"
        "    batch: %lld\n"
        "    learning_rate: 2e-3\n"
        "\n# Training stops when %s has not become better for 10 checks.\n"
        "eval:\n"
        "    metrics: [recall, ndcg, coverage]\n",
        (long long)batch, "eval.metric");
    if (few_items) {
        rk__buffer_add(out, "    k: [%lld]\n", (long long)k);
    } else {
        rk__buffer_add(out, "    k: [10, 20]\n");
    }
    rk__buffer_add(out, "    metric: ndcg@%lld\n    patience: 10\n", (long long)k);
}

rk_status rk__guess_config(const rk_look *look, const char *file, const char *name, char **out)
{
    rk_buffer text = {0};
    bool is_text = rk__guess_has_text_ids(look);
    add_head(&text, look);
    rk__buffer_add(&text, "data:\n    name: ");
    add_quoted(&text, name);
    rk__buffer_add(&text, "\n    ids: %s\n", is_text ? "text" : "integer");
    if (has_gaps(look)) {
        rk__buffer_add(&text, "    missing_ids: drop    # some rows have no user or no item\n");
    }
    rk__buffer_add(&text, "    # Users and items with fewer interactions can be dropped:\n"
                          "    # min_user: 5\n"
                          "    # min_item: 5\n");
    rk_status status = add_source(&text, look, file);
    if (status != RK_OK) {
        rk__buffer_free(&text);
        return status;
    }
    add_split(&text, look->n_columns > 0 && look->role[RK_ROLE_TIME] >= 0);
    add_training(&text, look);
    return rk__buffer_take(&text, out);
}
