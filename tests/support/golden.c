#include "support/golden.h"

#include "base/parse.h"

/* The next blank-separated word of *at, which moves behind it; zero-terminated in place. */
static char *next_word(char **at)
{
    char *word = *at + strspn(*at, " \n");
    size_t length = strcspn(word, " \n");
    *at = word + length + (word[length] != '\0');
    word[length] = '\0';
    return word;
}

static double next_number(char **at)
{
    const char *word = next_word(at);
    double value = 0;
    if (rk__parse_real(word, strlen(word), &value) != RK_PARSE_OK) {
        fail_msg("golden file: '%s' is not a number", word);
    }
    return value;
}

static void read_array(golden_array *a, char **at)
{
    snprintf(a->name, sizeof a->name, "%s", next_word(at));
    a->rows = (int64_t)next_number(at);
    a->cols = (int64_t)next_number(at);
    a->v = calloc((size_t)(a->rows * a->cols), sizeof *a->v);
    assert_non_null(a->v);
    for (int64_t i = 0; i < a->rows * a->cols; i++) {
        a->v[i] = next_number(at);
    }
}

void golden_read(golden *out, const char *name, rk_config *config)
{
    char path[1024];
    *out = (golden){0};
    snprintf(path, sizeof path, "%s/tests/golden/%s.txt", RANKINE_SOURCE, name);
    char *text = test_read(path);
    if (!text) {
        fail_msg("%s is not there", path);
        return;
    }
    for (char *at = text; *at;) {
        char *line_end = at + strcspn(at, "\n");
        if (*at == '#' || strncmp(at, "set ", 4) == 0) {
            char *next = line_end + (*line_end != '\0');
            *line_end = '\0';
            if (*at != '#') {
                assert_ok(rk_config_set(config, at + 4, name));
            }
            at = next;
        } else {
            assert_in_range(out->n, 0, sizeof out->arrays / sizeof out->arrays[0] - 1);
            read_array(&out->arrays[out->n++], &at);
        }
    }
    free(text);
}

void golden_free(golden *g)
{
    for (int i = 0; i < g->n; i++) {
        free(g->arrays[i].v);
    }
    *g = (golden){0};
}

const golden_array *golden_find(const golden *g, const char *name, int step)
{
    char wanted[64];
    if (step > 0) {
        snprintf(wanted, sizeof wanted, "%s.%d", name, step);
    } else {
        snprintf(wanted, sizeof wanted, "%s", name);
    }
    for (int i = 0; i < g->n; i++) {
        if (strcmp(g->arrays[i].name, wanted) == 0) {
            return &g->arrays[i];
        }
    }
    return NULL;
}

const golden_array *golden_get(const golden *g, const char *name, int step)
{
    const golden_array *a = golden_find(g, name, step);
    if (!a) {
        fail_msg("the golden file has no array %s of step %d", name, step);
    }
    return a;
}
