/* Which column is what: by its name, else by what is in it. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/moment.h"
#include "data/guess.h"

/* The words of a role, the surest first; names are compared in small letters and digits. */
static const char *const words[RK_ROLE_COUNT][56] = {
    {"userid",     "user",       "uid",       "username",   "useridx",  "usernumber", "userno",
     "customerid", "customer",   "custid",    "reviewerid", "reviewer", "visitorid",  "visitor",
     "memberid",   "member",     "accountid", "account",    "personid", "person",     "profileid",
     "profile",    "clientid",   "client",    "readerid",   "reader",   "listenerid", "listener",
     "playerid",   "player",     "buyerid",   "buyer",      "msno",     "steamid",    "sessionid",
     "session",    "playlistid", "u",         NULL},
    {"itemid",     "item",       "iid",        "movieid",  "movie",     "productid", "product",
     "parentasin", "asin",       "isbn",       "bookid",   "book",      "trackid",   "track",
     "songid",     "song",       "artistid",   "artist",   "albumid",   "gameid",    "game",
     "appid",      "app",        "businessid", "business", "poiid",     "poi",       "venueid",
     "venue",      "locationid", "location",   "placeid",  "place",     "videoid",   "video",
     "articleid",  "article",    "newsid",     "recipeid", "recipe",    "animeid",   "anime",
     "contentid",  "content",    "adid",       "sku",      "stockcode", "listingid", "jokeid",
     "postid",     "entityid",   "i",          NULL},
    {"timestamp",   "time",
     "ts",          "datetime",
     "date",        "unixreviewtime",
     "reviewtime",  "unixtime",
     "eventtime",   "createdat",
     "created",     "eventdate",
     "updatedat",   "ratedat",
     "checkintime", "purchasedate",
     "invoicedate", "orderdate",
     "reviewdate",  "day",
     "t",           NULL},
    {"rating",    "ratings", "stars",     "star",        "score",      "overall", "value",
     "count",     "plays",   "playcount", "listencount", "listens",    "weight",  "confidence",
     "frequency", "freq",    "hours",     "quantity",    "bookrating", "r",       NULL},
};

/* Parts of names that say it, too. */
static const char *const parts[RK_ROLE_COUNT][8] = {
    {"user", "customer", "visitor", NULL},
    {"item", "product", "movie", "track", "book", NULL},
    {"timestamp", "datetime", "time", NULL},
    {"rating", "score", NULL},
};

enum { NO_RANK = 1000, PART_RANK = 100 };

static void plain(const char *name, char out[64])
{
    size_t n = 0;
    for (const char *at = name; *at && n + 1 < 64; at++) {
        if (isalnum((unsigned char)*at)) {
            out[n++] = (char)tolower((unsigned char)*at);
        }
    }
    out[n] = '\0';
}

/* The smaller the surer. */
static int rank_of(const char *name, int role)
{
    char text[64];
    plain(name, text);
    for (int i = 0; words[role][i]; i++) {
        if (strcmp(text, words[role][i]) == 0) {
            return i;
        }
    }
    for (int i = 0; parts[role][i]; i++) {
        if (strstr(text, parts[role][i])) {
            return PART_RANK + i;
        }
    }
    return NO_RANK;
}

bool rk__guess_knows_name(const char *name)
{
    for (int role = 0; role < RK_ROLE_COUNT; role++) {
        if (rank_of(name, role) < PART_RANK) {
            return true;
        }
    }
    return false;
}

/* ---- what is in a column ---- */

static int64_t filled(const rk_guess_column *c)
{
    return c->n - c->empty;
}

bool rk__guess_is_numeric(const rk_look *look, const rk_guess_column *c)
{
    return filled(c) > 0 && (look->decimal_comma ? c->comma_numbers : c->numbers) == filled(c);
}

/* 0, 1, 2 ... as programs number rows. */
static bool counts_rows(const rk_guess_column *c)
{
    return c->n > 2 && c->rising == c->n - 1 && c->min <= 1;
}

static bool can_be_id(const rk_look *look, const rk_guess_column *c)
{
    bool is_whole = c->ids == filled(c);
    bool is_text = !rk__guess_is_numeric(look, c) && c->dates < filled(c);
    return filled(c) > 0 && (is_whole || is_text) && !counts_rows(c);
}

static bool can_be(const rk_look *look, const rk_guess_column *c, int role)
{
    switch (role) {
    case RK_ROLE_TIME:
        return rk__guess_is_numeric(look, c) || (filled(c) > 0 && c->dates == filled(c));
    case RK_ROLE_VALUE:
        return rk__guess_is_numeric(look, c);
    default:
        return filled(c) > 0;
    }
}

/* Without a name: a date, or a number of the size of seconds since 1970 that nearly no id has. */
static bool looks_like_time(const rk_look *look, const rk_guess_column *c)
{
    bool dates = filled(c) > 0 && c->dates == filled(c);
    return dates || (rk__guess_is_numeric(look, c) && c->min >= 3e8 &&
                     c->max / rk__moment_divisor(c->max) < 4.2e9);
}

static bool looks_like_value(const rk_look *look, const rk_guess_column *c)
{
    return rk__guess_is_numeric(look, c) && c->distinct <= 101 && c->max <= 1000 &&
           c->distinct * 10 <= c->n + 90;
}

/* ---- choosing ---- */

static bool is_taken(const rk_look *look, int64_t column)
{
    for (int role = 0; role < RK_ROLE_COUNT; role++) {
        if (look->role[role] == column) {
            return true;
        }
    }
    return false;
}

static void choose_by_name(rk_look *look, int role)
{
    int best = NO_RANK;
    for (int64_t i = 0; i < look->n_columns; i++) {
        int rank = rank_of(look->columns[i].name, role);
        if (rank < best && !is_taken(look, i) && can_be(look, &look->columns[i], role)) {
            best = rank;
            look->role[role] = i;
        }
    }
}

/* The first columns that can be ids and look like nothing else; at last any that can be. */
static void choose_ids(rk_look *look)
{
    for (int careful = 1; careful >= 0; careful--) {
        for (int64_t i = 0; i < look->n_columns; i++) {
            const rk_guess_column *c = &look->columns[i];
            int role = look->role[RK_ROLE_USER] < 0   ? RK_ROLE_USER
                       : look->role[RK_ROLE_ITEM] < 0 ? RK_ROLE_ITEM
                                                      : RK_ROLE_COUNT;
            if (role == RK_ROLE_COUNT) {
                return;
            }
            bool other = careful && (looks_like_time(look, c) ||
                                     (i >= 2 && look->n_columns > 3 && looks_like_value(look, c)));
            if (!is_taken(look, i) && can_be_id(look, c) && !other) {
                look->role[role] = i;
            }
        }
    }
}

/* Does a name end as those of ids do? */
static bool is_named_id(const char *name)
{
    char text[64];
    plain(name, text);
    size_t n = strlen(text);
    return n >= 2 && strcmp(text + n - 2, "id") == 0;
}

/* What nothing is said of is taken for a time where it looks like one; for a value only where it
 * has no name. */
static void choose_rest(rk_look *look)
{
    for (int64_t i = 0; i < look->n_columns; i++) {
        const rk_guess_column *c = &look->columns[i];
        if (is_taken(look, i) || is_named_id(c->name)) {
            continue;
        }
        if (look->role[RK_ROLE_TIME] < 0 && looks_like_time(look, c)) {
            look->role[RK_ROLE_TIME] = i;
        } else if (look->role[RK_ROLE_VALUE] < 0 && c->name[0] == '\0' &&
                   looks_like_value(look, c)) {
            look->role[RK_ROLE_VALUE] = i;
        }
    }
}

/* "user, item, 3 more": the columns as a message shows them. */
static void list_columns(const rk_look *look, rk_buffer *out)
{
    enum { SHOWN = 8 };
    for (int64_t i = 0; i < look->n_columns && i < SHOWN; i++) {
        const char *name = look->columns[i].name;
        rk__buffer_add(out, "%s%.40s", i > 0 ? ", " : "", name);
        if (name[0] == '\0') {
            rk__buffer_add(out, "%lld", (long long)i);
        }
    }
    if (look->n_columns > SHOWN) {
        rk__buffer_add(out, " ...");
    }
}

/* Interactions name somebody or something more than once. */
static rk_status check_repeats(const rk_look *look)
{
    enum { ENOUGH = 20 };
    const rk_guess_column *user = &look->columns[look->role[RK_ROLE_USER]];
    const rk_guess_column *item = &look->columns[look->role[RK_ROLE_ITEM]];
    if (look->rows > ENOUGH && look->rows < user->most && user->distinct == look->rows &&
        item->distinct == look->rows) {
        RK_FAIL(RK_ERR_DATA,
                "%s: no value of its columns '%s' and '%s' is there twice: this looks like a list "
                "of users or items, and not like interactions",
                look->path, user->name, item->name);
    }
    return RK_OK;
}

rk_status rk__guess_roles(rk_look *look)
{
    rk_buffer names = {0};
    for (int role = 0; role < RK_ROLE_COUNT; role++) {
        look->role[role] = -1;
    }
    for (int role = 0; role < RK_ROLE_COUNT; role++) {
        choose_by_name(look, role);
    }
    choose_ids(look);
    choose_rest(look);
    if (look->role[RK_ROLE_USER] >= 0 && look->role[RK_ROLE_ITEM] >= 0) {
        return check_repeats(look);
    }
    list_columns(look, &names);
    rk_status status = names.status;
    if (status == RK_OK) {
        status = rk__fail(RK_ERR_DATA, __FILE__, __LINE__, __func__,
                          "%s: no two columns look like users and items (columns: %s); write a "
                          "config by hand: `rankine help options` lists what data.sources takes",
                          look->path, names.at);
    }
    rk__buffer_free(&names);
    return status;
}

rk_status rk__guess_column_name(const rk_look *look, int64_t column, char **out)
{
    const char *name = look->columns[column].name;
    bool is_number = name[0] != '\0' && strspn(name, "0123456789") == strlen(name);
    bool is_unique = name[0] != '\0' && !is_number;
    for (int64_t i = 0; i < look->n_columns; i++) {
        is_unique = is_unique && (i == column || strcmp(look->columns[i].name, name) != 0);
    }
    return is_unique ? rk__strdup(out, name) : rk__format(out, "%lld", (long long)column);
}
