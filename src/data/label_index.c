/*
 * Labels by their words. A label is kept folded: compatibility forms and case by utf8proc, accents
 * taken off, words in a row with one blank before each. A word of a query is then found behind a
 * blank, and one pass over the bytes (some ms for a million titles) is all there is to a search.
 */
#include "rankine/search.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "data/dataset.h"

struct rk_label_index {
    const rk_dataset *dataset;
    rk_buffer folded; /* of each item its words, then a zero byte */
    int64_t *starts;  /* [I]: into folded */
    int64_t *counts;  /* [I]: train interactions */
};

/* ---- folding ---- */

/* Letters that are others with a stroke, which Unicode does not take apart. */
static const char *plain_of(int32_t c)
{
    static const struct {
        int32_t c;
        const char *plain;
    } letters[] = {{0xE6, "ae"}, {0xF0, "d"},  {0xF8, "o"},  {0xFE, "th"},  {0x111, "d"},
                   {0x127, "h"}, {0x131, "i"}, {0x142, "l"}, {0x153, "oe"}, {0x167, "t"}};
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        if (letters[i].c == c) {
            return letters[i].plain;
        }
    }
    return NULL;
}

static bool is_of_word(int32_t c)
{
    const utf8proc_category_t category = utf8proc_category(c);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO);
}

static bool is_apostrophe(int32_t c)
{
    return c == '\'' || c == 0x2019 || c == 0x2BC;
}

static void add_character(rk_buffer *out, int32_t c)
{
    utf8proc_uint8_t bytes[4];
    const char *plain = plain_of(c);
    if (plain) {
        rk__buffer_add(out, "%s", plain);
    } else {
        rk__buffer_add_bytes(out, (const char *)bytes, utf8proc_encode_char(c, bytes));
    }
}

static bool is_ascii(const char *text)
{
    while (*text && (unsigned char)*text < 0x80) {
        text++;
    }
    return *text == '\0';
}

/* What fold does, where nothing is to be taken apart: most titles, so it goes in larger pieces. */
static void fold_ascii(const char *text, rk_buffer *out)
{
    char piece[256];
    int64_t n = 0;
    bool inside = false;
    for (const char *at = text; *at; at++) {
        const char small = *at >= 'A' && *at <= 'Z' ? (char)(*at + 'a' - 'A') : *at;
        if ((small >= 'a' && small <= 'z') || (small >= '0' && small <= '9')) {
            if (!inside) {
                piece[n++] = ' ';
            }
            piece[n++] = small;
            inside = true;
        } else {
            inside = inside && is_apostrophe(small);
        }
        if (n > (int64_t)sizeof piece - 2) {
            rk__buffer_add_bytes(out, piece, n);
            n = 0;
        }
    }
    rk__buffer_add_bytes(out, piece, n);
}

/* Adds the words of a text to `out`, a blank before each. false: it is not UTF-8. */
static rk_status fold(const char *text, rk_buffer *out, bool *is_utf8)
{
    const utf8proc_option_t how = (utf8proc_option_t)(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT |
                                                      UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK);
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    const utf8proc_ssize_t length = (utf8proc_ssize_t)strlen(text);
    utf8proc_int32_t *characters = NULL;
    bool inside = false;
    if (is_ascii(text)) {
        *is_utf8 = true;
        fold_ascii(text, out);
        return out->status;
    }
    const utf8proc_ssize_t n = utf8proc_decompose(bytes, length, NULL, 0, how);
    *is_utf8 = n >= 0;
    if (n <= 0) {
        return RK_OK;
    }
    RK_TRY(rk__alloc(&characters, n, sizeof *characters, "a label"));
    utf8proc_decompose(bytes, length, characters, n, how);
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        if (is_of_word(characters[i])) {
            rk__buffer_add_bytes(out, " ", inside ? 0 : 1);
            add_character(out, characters[i]);
            inside = true;
        } else {
            inside = inside && is_apostrophe(characters[i]);
        }
    }
    rk__free(characters);
    return out->status;
}

/* ---- the index ---- */

static rk_status fill(rk_label_index *index)
{
    const rk_dataset *d = index->dataset;
    const rk_lists *train = &d->parts[RK_TRAIN];
    RK_TRY(rk__alloc(&index->starts, d->n_items, sizeof *index->starts, "an index of labels"));
    RK_TRY(rk__calloc(&index->counts, d->n_items, sizeof *index->counts, "an index of labels"));
    for (int64_t i = 0; i < d->n_items; i++) {
        bool is_utf8 = false;
        index->starts[i] = index->folded.length;
        RK_TRY(fold(d->labels[i], &index->folded, &is_utf8)); /* else it has no words */
        rk__buffer_add_bytes(&index->folded, "", 1);
    }
    for (int64_t e = 0; train->n_rows > 0 && e < train->offsets[train->n_rows]; e++) {
        index->counts[train->items[e]]++;
    }
    return index->folded.status;
}

rk_status rk_label_index_create(const rk_dataset *dataset, rk_label_index **out)
{
    rk_label_index *index = NULL;
    if (!dataset->labels) {
        RK_FAIL(RK_ERR_DATA,
                "data set %s has no labels to look for: name their file in labels.file",
                dataset->name);
    }
    RK_TRY(rk__calloc(&index, 1, sizeof *index, "an index of labels"));
    index->dataset = dataset;
    rk_status status = fill(index);
    if (status != RK_OK) {
        rk_label_index_free(index);
        return status;
    }
    *out = index;
    return RK_OK;
}

void rk_label_index_free(rk_label_index *index)
{
    if (index) {
        rk__buffer_free(&index->folded);
        rk__free(index->starts);
        rk__free(index->counts);
        rk__free(index);
    }
}

/* ---- a search ---- */

typedef struct match {
    int order; /* 0 = the label is the text, 1 = it begins with it, 2 = it has the words */
    int64_t count;
    int32_t item;
} match;

static int by_rank(const void *left, const void *right)
{
    const match *a = left, *b = right;
    if (a->order != b->order) {
        return a->order - b->order;
    }
    if (a->count != b->count) {
        return a->count < b->count ? 1 : -1;
    }
    return (a->item > b->item) - (a->item < b->item);
}

/* words: each with the blank before it and a zero byte behind, n of them in a row. */
static bool has_words(const char *label, const char *words, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (!strstr(label, words)) {
            return false;
        }
        words += strlen(words) + 1;
    }
    return true;
}

/* Takes the folded text apart into such words. */
static rk_status take_words(const char *folded, rk_buffer *words, int64_t *n)
{
    for (const char *at = folded; *at;) {
        const size_t length = 1 + strcspn(at + 1, " ");
        rk__buffer_add_bytes(words, at, (int64_t)length);
        rk__buffer_add_bytes(words, "", 1);
        at += length;
        ++*n;
    }
    return words->status;
}

static rk_status search(const rk_label_index *index, const char *folded, rk_buffer *found)
{
    rk_buffer words = {0};
    int64_t n = 0;
    const size_t length = strlen(folded);
    rk_status status = take_words(folded, &words, &n);
    for (int64_t i = 0; status == RK_OK && i < index->dataset->n_items; i++) {
        const char *label = index->folded.at + index->starts[i];
        if (has_words(label, words.at, n)) {
            bool begins = strncmp(label, folded, length) == 0;
            const match m = {.order = !begins         ? 2
                                      : label[length] ? 1
                                                      : 0,
                             .count = index->counts[i],
                             .item = (int32_t)i};
            rk__buffer_add_bytes(found, (const char *)&m, sizeof m);
            status = found->status;
        }
    }
    rk__buffer_free(&words);
    return status;
}

rk_status rk_label_index_find(const rk_label_index *index, const char *text, int64_t k,
                              int32_t *items, int64_t *out_n)
{
    rk_buffer folded = {0}, found = {0};
    rk_status status = RK_OK;
    bool is_utf8 = false;
    RK_TRY_GOTO(done, fold(text, &folded, &is_utf8));
    if (!is_utf8 || folded.length == 0) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG, "'%.60s' %s", text,
                     is_utf8 ? "has no word to look for in labels" : "is not UTF-8");
    }
    RK_TRY_GOTO(done, search(index, folded.at, &found));
    const int64_t n = found.length / (int64_t)sizeof(match);
    match *matches = (match *)(void *)found.at;
    if (n > 0) {
        qsort(matches, (size_t)n, sizeof *matches, by_rank);
    }
    for (int64_t i = 0; i < n && i < k; i++) {
        items[i] = matches[i].item;
    }
    *out_n = n;
done:
    rk__buffer_free(&folded);
    rk__buffer_free(&found);
    return status;
}
