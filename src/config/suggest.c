/*
 * "did you mean": the nearest known key by edit distance, wherever it is, or the name that other
 * programs give it.
 */
#include <string.h>

#include "base/near.h"
#include "config/schema.h"

enum {
    COST_OF_AN_EDIT = 4, /* of a key; more than any difference of the sections costs */
};

/* What RecBole, LightGCN-PyTorch and SELFRec call our options, for people who come from there. */
static const struct {
    const char *foreign, *ours;
} foreign_names[] = {
    {"lr", "train.learning_rate"},
    {"learner", "train.optimizer"},
    {"n_epochs", "train.epochs"},
    {"max_epoch", "train.epochs"},
    {"batch_size", "train.batch"},
    {"train_batch_size", "train.batch"},
    {"bpr_batch", "train.batch"},
    {"embedding_size", "model.dim"},
    {"embedding_dim", "model.dim"},
    {"emb_dim", "model.dim"},
    {"recdim", "model.dim"},
    {"n_layers", "model.layers"},
    {"num_layers", "model.layers"},
    {"reg_weight", "loss.l2"},
    {"decay", "loss.l2"},
    {"reg", "loss.l2"},
    {"require_pow", "loss.l2_form"},
    {"topk", "eval.k"},
    {"topks", "eval.k"},
    {"eval_step", "eval.every"},
    {"stopping_step", "eval.patience"},
    {"early_stop", "eval.patience"},
    {"valid_metric", "eval.metric"},
    {"monitor", "eval.metric"},
    {"data_path", "data.root"},
    {"dataset", "data.sources"},
    {"source", "data.sources"},
    {"min_rating", "data.sources[].where"},
    {"threshold", "data.sources[].where"},
    {"timestamp", "data.sources[].time"},
    {"weight", "data.sources[].value"},
    {"rating", "data.sources[].value"},
    {"score", "data.sources[].value"},
    {"confidence", "data.sources[].value"},
    {"tie", "split.ties"},
    {"tie_break", "split.ties"},
    {"sep", "data.sources[].separator"},
};

typedef struct search {
    const char *section, *name; /* what the user wrote */
    size_t length;
    int best; /* lowest cost so far */
    const char *found_section, *found_key;
} search;

/* The key counts more than the section: a right key in the wrong section is the nearest. The lists
 * are part of data. */
static void consider(search *s, const char *section, const char *key)
{
    int d = rk__edit_distance(s->name, s->length, key, strlen(key));
    if (!rk__is_near(d, s->length > strlen(key) ? s->length : strlen(key))) {
        return;
    }
    const char *group = rk__list_of(section) ? "data" : section;
    const char *own = rk__list_of(s->section) ? "data" : s->section;
    int apart = strcmp(section, s->section) == 0
                    ? 0
                    : 1 + rk__edit_distance(own, strlen(own), group, strlen(group));
    int cost = COST_OF_AN_EDIT * d + (apart < COST_OF_AN_EDIT ? apart : COST_OF_AN_EDIT - 1);
    if (cost < s->best) {
        s->best = cost;
        s->found_section = section;
        s->found_key = key;
    }
}

/* "train", "data.sources[]". */
static void add_section(rk_buffer *out, const char *section)
{
    const rk_option_list *list = rk__list_of(section);
    if (list) {
        rk__list_describe(out, list, "[]");
    } else {
        rk__buffer_add(out, "%s", section);
    }
}

static void list_what_there_is(rk_buffer *out, const char *section)
{
    int64_t n = 0;
    if (section[0] == '\0') {
        const rk_option_section *sections = rk__option_sections(&n);
        rk__buffer_add(out, "; the sections are ");
        for (int64_t i = 0; i < n; i++) {
            rk__buffer_add(out, "%s%s", i > 0 ? ", " : "", sections[i].name);
        }
        return;
    }
    const rk_option *rows[RK_MOST_KEYS];
    int n_rows = rk__section_rows(section, rows);
    rk__buffer_add(out, "; the keys of '");
    add_section(out, section);
    rk__buffer_add(out, "' are ");
    for (int i = 0; i < n_rows; i++) {
        rk__buffer_add(out, "%s%s", i > 0 ? ", " : "", rows[i]->key);
    }
    const rk_option_list *lists = rk__option_lists(&n);
    for (int64_t i = 0; i < n; i++) {
        if (rk__list_find(section, lists[i].key, strlen(lists[i].key)) == &lists[i]) {
            rk__buffer_add(out, ", %s", lists[i].key);
        }
    }
}

/* "train.epochs: 5" as one word at the top of a file. */
static bool is_dotted_key(rk_buffer *out, const char *name, size_t length)
{
    const char *dot = memchr(name, '.', length);
    const rk_option_section *section = dot ? rk__section_find(name, (size_t)(dot - name)) : NULL;
    if (!section) {
        return false;
    }
    const rk_option *row =
        rk__option_find(section->name, dot + 1, length - (size_t)(dot + 1 - name));
    if (row) {
        rk__buffer_add(out, "; write '%s:' on a line of its own and '%s:' indented below it",
                       section->name, row->key);
    }
    return row != NULL;
}

/* The nearest section, NULL if none is near. */
static const char *nearest_section(const char *name, size_t length)
{
    int64_t n = 0;
    const rk_option_section *sections = rk__option_sections(&n);
    const char *found = NULL;
    int best = RK_NEAR_LONGEST;
    for (int64_t i = 0; i < n; i++) {
        size_t known = strlen(sections[i].name);
        int d = rk__edit_distance(name, length, sections[i].name, known);
        if (rk__is_near(d, known) && d < best) {
            best = d;
            found = sections[i].name;
        }
    }
    return found;
}

static const char *foreign_name(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof foreign_names / sizeof foreign_names[0]; i++) {
        const char *foreign = foreign_names[i].foreign;
        if (strlen(foreign) == length && memcmp(foreign, name, length) == 0) {
            return foreign_names[i].ours;
        }
    }
    return NULL;
}

/* Whether "data.sources[].value" is a key of the section. */
static bool is_key_of(const char *key, const char *section)
{
    rk_buffer prefix = {0};
    add_section(&prefix, section);
    bool is_own = section[0] && prefix.status == RK_OK &&
                  strncmp(key, prefix.at, (size_t)prefix.length) == 0 && key[prefix.length] == '.';
    rk__buffer_free(&prefix);
    return is_own;
}

/* In this order: another program's name for a key of this section, a key of this very name
 * elsewhere, a section, another program's name, a near key. */
void rk__suggest(rk_buffer *out, const char *section, const char *name, size_t length)
{
    int64_t n_rows = 0, n_lists = 0;
    const rk_option *rows = rk__option_rows(&n_rows);
    const rk_option_list *lists = rk__option_lists(&n_lists);
    bool is_section = section[0] == '\0';
    if (is_section && is_dotted_key(out, name, length)) {
        return;
    }
    search s = {.section = section, .name = name, .length = length, .best = INT32_MAX};
    for (int64_t i = 0; i < n_rows; i++) {
        consider(&s, rows[i].section, rows[i].key);
    }
    for (int64_t l = 0; l < n_lists; l++) {
        for (int64_t i = 0; i < lists[l].n_rows; i++) {
            consider(&s, lists[l].name, lists[l].rows[i].key);
        }
        consider(&s, lists[l].parent[0] ? lists[l].parent : "data", lists[l].key);
    }
    bool is_exact = s.found_key && s.best < COST_OF_AN_EDIT;
    const char *other = NULL;
    if (!is_exact && is_section) {
        other = nearest_section(name, length);
    }
    const char *foreign = foreign_name(name, length);
    if (foreign && (is_key_of(foreign, section) || (!is_exact && !other))) {
        other = foreign;
    }
    if (other) {
        rk__buffer_add(out, "; did you mean '%s'?", other);
    } else if (s.found_key) {
        rk__buffer_add(out, "; did you mean '");
        add_section(out, s.found_section);
        rk__buffer_add(out, ".%s'?", s.found_key);
    } else {
        list_what_there_is(out, section);
    }
}

const char *rk__choice_nearest(const rk_option *row, const char *text, size_t length)
{
    char lower[40]; /* longer words are not near anything */
    const char *nearest = NULL;
    int best = (int)sizeof lower;
    if (length >= sizeof lower) {
        return NULL;
    }
    for (size_t i = 0; i < length; i++) {
        lower[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
    }
    for (const char *choice = row->minimum; choice; choice = rk__choice_next(choice)) {
        int d = rk__edit_distance(lower, length, choice, strlen(choice));
        if (d < best && (d == 0 || rk__is_near(d, length))) {
            best = d;
            nearest = choice;
        }
    }
    return nearest;
}
