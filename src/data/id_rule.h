/*
 * What an id may be. An id is what comes back out: what would come back as another text is refused
 * (integer ids: signs, leading zeros, fractions, blanks) or cleaned and counted (text ids: blanks
 * at the ends), and words for nothing are no ids unless the options say so.
 */
#ifndef RK_DATA_ID_RULE_H
#define RK_DATA_ID_RULE_H

#include "config/options.h"
#include "data/lines.h"

typedef struct rk_id_rule {
    int ids;          /* RK_IDS_* */
    int missing;      /* RK_MISSING_* */
    bool takes_zeros; /* integer ids may have leading ones: what is read only names known ids */
    int64_t trimmed;  /* text ids so far that had blanks at their ends */
} rk_id_rule;

/* ASCII, no blank at an end, and no beginning of a word for nothing: most text ids are such. */
static inline bool rk__id_is_plain(rk_text text)
{
    unsigned char all = 0;
    for (int64_t i = 0; i < text.length; i++) {
        all |= (unsigned char)text.at[i];
    }
    if (text.length == 0 || all >= 0x80) {
        return false;
    }
    char first = text.at[0], last = text.at[text.length - 1];
    bool is_digit = first >= '0' && first <= '9',
         is_letter = (first | 0x20) >= 'a' && (first | 0x20) <= 'z';
    return last > ' ' && ((is_digit && (text.length == 1 || text.at[1] != '.')) ||
                          (is_letter && (first | 0x20) != 'n'));
}

/* rk__id_read for what is not a plain number or word. */
rk_status rk__id_read_slow(rk_id_rule *rule, const rk_lines *lines, rk_text *inout,
                           const char *title, int64_t *out, bool *out_missing);

/* Checks an id. A text id comes back without blanks at its ends, an integer id as a number in *out.
 * *out_missing = true: there is none, and such rows are dropped. title: its name in messages, which
 * `lines` locates. */
static inline rk_status rk__id_read(rk_id_rule *rule, const rk_lines *lines, rk_text *inout,
                                    const char *title, int64_t *out, bool *out_missing)
{
    enum { ALWAYS_FITS = 18 /* decimal digits, in 63 bits */ };
    rk_text text = *inout;
    if (rule->ids == RK_IDS_INTEGER && text.length > 0 && text.length <= ALWAYS_FITS &&
        (text.at[0] != '0' || text.length == 1)) {
        uint64_t value = 0, not_a_digit = 0;
        for (int64_t i = 0; i < text.length; i++) {
            uint64_t digit = (uint64_t)(unsigned char)text.at[i] - '0';
            not_a_digit |= digit > 9;
            value = value * 10 + digit;
        }
        if (!not_a_digit) {
            *out = (int64_t)value;
            return RK_OK;
        }
    }
    if (rule->ids == RK_IDS_TEXT && rk__id_is_plain(text)) {
        *out = 0;
        return RK_OK;
    }
    return rk__id_read_slow(rule, lines, inout, title, out, out_missing);
}

/* Whether a text that is not in quotes says that there is nothing. Marks are what pandas and SQL
 * dumps write, and nobody else (NaN, NULL, \N ...); words are those and what may mean something
 * where it is no id (none, NA, nil, -). rk__id_is_plain knows how they begin. */
bool rk__is_mark_of_nothing(rk_text text);
bool rk__is_word_for_nothing(rk_text text);
/* Whether a field of the current line is in quotes. */
bool rk__is_quoted(const rk_lines *lines, rk_text text);

/* The rule of text ids. is_quoted: it was in quotes, so that words for nothing are words. false and
 * what is wrong, as the end of a sentence that begins with the id, if it is none. */
bool rk__id_check_text(rk_id_rule *rule, bool is_quoted, rk_text *inout, bool *out_missing,
                       const char **out_wrong);

#endif
