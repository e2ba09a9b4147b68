#include "data/id_rule.h"

#include <string.h>

#include "base/error.h"
#include "base/parse.h"
#include "config/utf8.h"
#include "rankine/ids.h"

static bool is_among(rk_text text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((int64_t)strlen(words[i]) == text.length &&
            memcmp(words[i], text.at, (size_t)text.length) == 0) {
            return true;
        }
    }
    return false;
}

bool rk__is_mark_of_nothing(rk_text text)
{
    static const char *const marks[] = {
        "nan",      "NaN",    "NAN", "Nan",     "-nan",    "-NaN",   "null",     "NULL",
        "Null",     "N/A",    "n/a", "#N/A",    "#NA",     "<NA>",   "\\N",      "(null)",
        "#N/A N/A", "<null>", "NaT", "1.#QNAN", "-1.#IND", "1.#IND", "-1.#QNAN",
    };
    return is_among(text, marks, sizeof marks / sizeof marks[0]);
}

bool rk__is_word_for_nothing(rk_text text)
{
    static const char *const words[] = {"None", "none", "NONE", "NA",  "na",
                                        "Na",   "nil",  "Nil",  "NIL", "-"};
    return rk__is_mark_of_nothing(text) || is_among(text, words, sizeof words / sizeof words[0]);
}

/* The bytes of a blank that Unicode has beside the ordinary ones (no-break, zero width, of certain
 * widths), at the start or the end of a text; 0 = there is none. */
static int64_t odd_blank(rk_text text, bool at_end)
{
    static const char *const blanks[] = {
        "\xc2\xa0",     "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82",
        "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
        "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a",
        "\xe2\x80\x8b", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
    };
    for (size_t i = 0; i < sizeof blanks / sizeof blanks[0]; i++) {
        int64_t length = (int64_t)strlen(blanks[i]);
        if (length <= text.length &&
            memcmp(text.at + (at_end ? text.length - length : 0), blanks[i], (size_t)length) == 0) {
            return length;
        }
    }
    return 0;
}

/* Without blanks of any kind at its ends. */
static rk_text without_blanks(rk_text text)
{
    for (int64_t before = -1; before != text.length;) {
        before = text.length;
        text = rk__trimmed(text);
        int64_t first = odd_blank(text, false);
        text.at += first;
        text.length -= first;
        text.length -= odd_blank(text, true);
    }
    return text;
}

#define DROP_THEM "to leave such rows out set data.missing_ids to drop"

bool rk__id_check_text(rk_id_rule *rule, bool is_quoted, rk_text *inout, bool *out_missing,
                       const char **out_wrong)
{
    rk_text text = without_blanks(*inout);
    bool are_words = is_quoted || rule->missing == RK_MISSING_KEEP;
    bool is_nothing = text.length == 0 || (!are_words && rk__is_word_for_nothing(text));
    if (is_nothing && rule->missing == RK_MISSING_DROP) {
        *out_missing = true;
        return true;
    }
    if (is_nothing) {
        *out_wrong = text.length == 0 ? "is empty; " DROP_THEM
                                      : "is a word for a missing value; " DROP_THEM
                                        ", to take it as an id to "
                                        "keep";
        return false;
    }
    if (!rk__utf8_is_valid(text.at, (size_t)text.length)) {
        *out_wrong = "is not UTF-8; if the file is in Latin-1, set encoding to latin-1";
        return false;
    }
    if (text.length >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0) {
        *out_wrong = "begins with a byte order mark, as where files were put together: remove it";
        return false;
    }
    rule->trimmed += text.length < inout->length;
    *inout = text;
    return true;
}

/* Why it is no integer id, as the end of a sentence. */
static const char *why_no_integer(rk_text text)
{
    double number = 0;
    if (without_blanks(text).length < text.length) {
        return "is not a number: there are blanks around it; make them part of the separator (e.g. "
               "', '), or set data.ids to text, which leaves them out";
    }
    if (rk__parse_real(text.at, (size_t)text.length, &number) == RK_PARSE_OK) {
        return "is not a number without a fraction: write whole numbers (pandas: "
               "astype('Int64')), or set data.ids to text";
    }
    return "is not a number; set data.ids to text for ids that are words";
}

/* As a sign or a leading zero would not come back out. */
static bool has_other_form(rk_text text, bool takes_zeros)
{
    return text.at[0] == '+' || text.at[0] == '-' ||
           (text.at[0] == '0' && text.length > 1 && !takes_zeros);
}

static rk_status read_integer(const rk_id_rule *rule, const rk_lines *lines, rk_text text,
                              const char *title, int64_t *out)
{
    rk_shown shown = rk__shown(text);
    int64_t value = 0;
    switch (rk__parse_int(text.at, (size_t)text.length, &value)) {
    case RK_PARSE_OK:
        break;
    case RK_PARSE_OUT_OF_RANGE:
        RK_FAIL_AT(lines, text.at, "%s '%s' does not fit 64 bits; set data.ids to text", title,
                   shown.text);
    case RK_PARSE_NOT_A_NUMBER:
        RK_FAIL_AT(lines, text.at, "%s '%s' %s", title, shown.text, why_no_integer(text));
    }
    if (value < 0) {
        RK_FAIL_AT(lines, text.at,
                   "%s '%s' is negative; integer ids count from 0, so set data.ids to text", title,
                   shown.text);
    }
    if (has_other_form(text, rule->takes_zeros)) {
        bool is_signed = text.at[0] == '+' || text.at[0] == '-';
        RK_FAIL_AT(lines, text.at,
                   "%s '%s' has a %s, so as a number it would be the same as %lld; set data.ids to "
                   "text",
                   title, shown.text, is_signed ? "sign" : "leading zero", (long long)value);
    }
    *out = value;
    return RK_OK;
}

static bool is_inside(const rk_lines *lines, rk_text text)
{
    uintptr_t first = (uintptr_t)rk__lines_at(lines), place = (uintptr_t)text.at;
    return lines->buffer && place >= first &&
           place < (uintptr_t)lines->buffer + (uintptr_t)lines->end;
}

/* Whether a quote is before it in its line; no separator has one. */
bool rk__is_quoted(const rk_lines *lines, rk_text text)
{
    return is_inside(lines, text) && text.at > rk__lines_at(lines) && text.at[-1] == '"';
}

/* Half a line end, as of LF CR, or of line ends of two kinds. */
static bool is_cut_by_return(const rk_lines *lines, rk_text text)
{
    return text.length > 0 && is_inside(lines, text) &&
           (text.at[0] == '\r' || text.at[text.length - 1] == '\r');
}

rk_status rk__id_read_slow(rk_id_rule *rule, const rk_lines *lines, rk_text *inout,
                           const char *title, int64_t *out, bool *out_missing)
{
    const char *wrong = NULL;
    *out = 0;
    if (rule->ids == RK_IDS_TEXT) {
        rk_text whole = *inout;
        bool in_quotes = rk__is_quoted(lines, whole);
        if (!in_quotes && is_cut_by_return(lines, whole)) {
            RK_FAIL_AT(lines, whole.at,
                       "%s '%s' has a carriage return at its end: line ends are mixed, save the "
                       "file with one kind",
                       title, rk__shown(whole).text);
        }
        if (!rk__id_check_text(rule, in_quotes, inout, out_missing, &wrong)) {
            RK_FAIL_AT(lines, whole.at, "%s%s%s%s %s", title, whole.length > 0 ? " '" : "",
                       rk__shown(whole).text, whole.length > 0 ? "'" : "", wrong);
        }
        return RK_OK;
    }
    rk_text text = rk__trimmed(*inout);
    if (text.length == 0 || rk__is_word_for_nothing(text)) {
        if (rule->missing == RK_MISSING_DROP) {
            *out_missing = true;
            return RK_OK;
        }
        RK_FAIL_AT(lines, inout->at, "%s%s%s%s is %s; " DROP_THEM, title,
                   text.length > 0 ? " '" : "", rk__shown(text).text, text.length > 0 ? "'" : "",
                   text.length > 0 ? "a word for a missing value" : "empty");
    }
    return read_integer(rule, lines, *inout, title, out);
}

rk_status rk_config_check_id(const rk_config *config, const char *id)
{
    const rk_options *o = rk__config_options(config);
    rk_id_rule rule = {.ids = o->data.ids,
                       .missing = o->data.missing_ids == RK_MISSING_KEEP ? RK_MISSING_KEEP
                                                                         : RK_MISSING_ERROR};
    rk_text text = {id, (int64_t)strlen(id)};
    const char *wrong = NULL;
    int64_t value = 0;
    bool is_missing = false;
    if (rule.ids == RK_IDS_TEXT) {
        (void)rk__id_check_text(&rule, false, &text, &is_missing, &wrong);
    } else if (rk__parse_int(text.at, (size_t)text.length, &value) != RK_PARSE_OK || value < 0 ||
               has_other_form(text, false)) {
        wrong = "is no whole number from 0 on, without sign and leading zeros (data.ids: integer)";
    }
    if (wrong) {
        RK_FAIL(RK_ERR_DATA, "'%s' %s", rk__shown(text).text, wrong);
    }
    return RK_OK;
}
