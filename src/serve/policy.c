#include "serve/policy.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "serve/reply.h"

/* ---- the header ---- */

/* Whether it is a name of a field: what RFC 9110 calls a token. A blank before the colon would be
 * part of it, and some proxies take that away. */
static bool is_name(const char *name)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    const char *at = name;
    while ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') ||
           (*at && strchr(others, *at))) {
        at++;
    }
    return *name && !*at;
}

void serve_header_add(serve_header *header, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **value;
        int *count;
    } fields[] = {
        {"Host", &header->host, &header->hosts},
        {"Content-Length", &header->content_length, &header->content_lengths},
        {"Transfer-Encoding", &header->transfer_encoding, &header->transfer_encodings},
        {"Origin", &header->origin, NULL},
        {"Authorization", &header->authorization, NULL},
        {"X-API-Key", &header->api_key, NULL},
        {"Content-Type", &header->content_type, NULL},
    };
    value = value ? value : "";
    header->is_malformed = header->is_malformed || !is_name(name);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcasecmp(name, fields[i].name) == 0) {
            *fields[i].value = value;
            if (fields[i].count) {
                ++*fields[i].count;
            }
        }
    }
    header->is_encoded = header->is_encoded || (strcasecmp(name, "Content-Encoding") == 0 &&
                                                strcasecmp(value, "identity") != 0);
    header->expects = header->expects || strcasecmp(name, "Expect") == 0;
}

bool serve_header_has_body(const serve_header *header)
{
    return header->transfer_encoding ||
           (header->content_length &&
            strspn(header->content_length, "0") < strlen(header->content_length));
}

bool serve_header_is_clear(const serve_header *header, const char *version, serve_reply *reply)
{
    const char *problem = NULL;
    if (header->is_malformed) {
        problem = "a header's field has a name that is none, a zero byte, or a second line";
    } else if (header->hosts == 0 && strcmp(version, "HTTP/1.1") == 0) {
        problem = "Host is missing";
    } else if (header->content_lengths > 1) {
        problem = "Content-Length is there more than once";
    } else if (header->content_lengths > 0 && header->transfer_encodings > 0) {
        problem = "Content-Length and Transfer-Encoding are there together, so it is unclear where "
                  "the body ends";
    } else if (header->transfer_encodings > 1 ||
               (header->transfer_encoding && strcasecmp(header->transfer_encoding, "chunked"))) {
        problem = "Transfer-Encoding must be chunked, once";
    } else if (header->transfer_encoding && strcmp(version, "HTTP/1.1") != 0) {
        problem = "Transfer-Encoding is of HTTP/1.1";
    } else if (header->content_length &&
               (strspn(header->content_length, "0123456789") != strlen(header->content_length) ||
                !*header->content_length)) {
        problem = "Content-Length is no number";
    } else if (header->hosts > 1) {
        problem = "Host is there more than once";
    }
    if (problem) {
        serve_reply_problem(reply, 400, "%s", problem);
    }
    return !problem;
}

/* ---- host and origin ---- */

/* The length of the name or address in "name:port"; with [ ] where it is one of IPv6. */
static size_t name_length(const char *host)
{
    if (*host == '[') {
        const char *end = strchr(host, ']');
        return end ? (size_t)(end + 1 - host) : 0;
    }
    return strcspn(host, ":");
}

static bool is_port(const char *text)
{
    return *text == '\0' || (*text == ':' && strspn(text + 1, "0123456789") == strlen(text + 1));
}

static bool is_address(const char *host, size_t length)
{
    char text[64];
    unsigned char address[16];
    const bool is_v6 = length > 2 && host[0] == '[';
    host += is_v6;
    length -= is_v6 ? 2 : 0;
    if (length == 0 || length >= sizeof text) {
        return false;
    }
    memcpy(text, host, length);
    text[length] = '\0';
    return inet_pton(is_v6 ? AF_INET6 : AF_INET, text, address) == 1;
}

/* An address cannot be the name of somebody else's page, so it needs no list. */
bool serve_policy_serves_host(const serve_policy *policy, const char *host)
{
    const size_t length = host ? name_length(host) : 0;
    if (policy->any_host || !host) {
        return true;
    }
    if (length == 0 || !is_port(host + length)) {
        return false;
    }
    if (is_address(host, length) || (length == 9 && strncasecmp(host, "localhost", 9) == 0)) {
        return true;
    }
    for (int i = 0; i < policy->n_hosts; i++) {
        const char *allowed = policy->hosts[i];
        const bool same_name = strlen(allowed) == length && !strncasecmp(allowed, host, length);
        if (same_name || strcasecmp(allowed, host) == 0) {
            return true;
        }
    }
    return false;
}

bool serve_policy_knows_origin(const serve_policy *policy, const char *origin)
{
    for (int i = 0; i < policy->n_origins && origin; i++) {
        if (strcmp(policy->origins[i], origin) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether the page that asks is this service's own, or of an origin that may ask. */
static bool origin_may_ask(const serve_policy *policy, const serve_header *header)
{
    const char *host = header->origin ? strstr(header->origin, "://") : NULL;
    return !header->origin || serve_policy_knows_origin(policy, header->origin) ||
           (host && header->host && strcasecmp(host + 3, header->host) == 0);
}

/* ---- the token ---- */

/* Takes as long for every wrong text of a length. */
static bool same(const char *a, const char *b)
{
    const size_t n = strlen(b);
    volatile unsigned char differ = strlen(a) != n;
    for (size_t i = 0; i < n && a[0]; i++) {
        differ |= (unsigned char)(a[i % strlen(a)] ^ b[i]);
    }
    return differ == 0 && *a;
}

static bool token_is_right(const serve_policy *policy, const serve_header *header)
{
    const char *given = header->api_key;
    if (header->authorization && strncasecmp(header->authorization, "Bearer ", 7) == 0) {
        given = header->authorization + 7;
        given += strspn(given, " ");
    }
    return given && same(given, policy->token);
}

/* ---- all of it ---- */

static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    const size_t n = strlen(json);
    if (!type || strncasecmp(type, json, n) != 0) {
        return false;
    }
    const char *rest = type + n;
    rest += strspn(rest, " \t");
    return *rest == '\0' || *rest == ';';
}

bool serve_policy_allows(const serve_policy *policy, const serve_header *header,
                         const serve_route *route, serve_reply *reply, serve_rejection *why)
{
    const bool is_post = strcmp(route->method, "POST") == 0;
    *why = SERVE_REJECTED_HOST;
    if (is_post && !origin_may_ask(policy, header)) {
        serve_reply_problem(reply, 403,
                            "pages of %.80s may not ask; rankine serve --allow-origin says which "
                            "ones may",
                            header->origin);
        return false;
    }
    *why = SERVE_REJECTED_TOKEN;
    if (route->guard == SERVE_FOR_ADMIN && !policy->token) {
        serve_reply_problem(reply, 403,
                            "this needs a token, and the service was started without --token-file; "
                            "SIGHUP reloads, too");
        return false;
    }
    if (route->guard != SERVE_FOR_ALL && policy->token && !token_is_right(policy, header)) {
        serve_reply_problem(reply, 401,
                            "a token is needed, as 'Authorization: Bearer TOKEN' or 'X-API-Key: "
                            "TOKEN', and %s",
                            header->authorization || header->api_key ? "this is another one"
                                                                     : "there is none");
        return false;
    }
    *why = SERVE_REJECTED_MALFORMED;
    if (!is_post && serve_header_has_body(header)) {
        serve_reply_problem(reply, 400, "a %s has no body here", route->method);
        return false;
    }
    if (is_post && serve_header_has_body(header) &&
        (!is_json(header->content_type) || header->is_encoded)) {
        serve_reply_problem(reply, 415,
                            "the body must be JSON: Content-Type: application/json, without a "
                            "Content-Encoding");
        return false;
    }
    return true;
}
