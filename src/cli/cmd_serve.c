/* rankine serve: a run's answers over HTTP. What a service does is in src/serve. */
#include <pthread.h>

#include "answers.h"
#include "serve/serve.h"

typedef struct serve_args {
    cli_list origins, hosts;
    cli_approximate approximate;
    const char *listen, *device, *data, *token_file, *feedback;
    int64_t threads, max_top, connections, per_address, seconds;
    bool watch, quiet;
} serve_args;

/* What the service's threads say, one at a time. */
typedef struct talk {
    pthread_mutex_t lock;
    rk_hooks hooks; /* of the display */
} talk;

static void say(void *user, rk_log_level level, const char *message)
{
    talk *t = user;
    pthread_mutex_lock(&t->lock);
    t->hooks.log(t->hooks.user, level, message);
    pthread_mutex_unlock(&t->lock);
}

static void show(void *user, const rk_progress *progress)
{
    talk *t = user;
    pthread_mutex_lock(&t->lock);
    t->hooks.progress(t->hooks.user, progress);
    pthread_mutex_unlock(&t->lock);
}

/* On the standard output, at once: scripts wait for this line. */
static void say_where(void *to, const char *url)
{
    (void)to;
    printf("listening on %s\n", url);
    fflush(stdout);
}

static int serve(cli *c, const serve_args *args)
{
    cli_display display;
    char message[2048];
    c->quiet = args->quiet;
    cli_display_init(&display, c);
    talk t = {PTHREAD_MUTEX_INITIALIZER, cli_display_hooks(&display)};
    const rk_hooks hooks = {.log = say, .progress = show, .user = &t};
    const bool limits_one = args->per_address >= 0;
    const serve_options options = {
        .run = c->positional,
        .device = args->device,
        .data = args->data,
        .listen = args->listen ? args->listen : "127.0.0.1:8080",
        .token_file = args->token_file,
        .feedback = args->feedback,
        .origins = args->origins.v,
        .n_origins = args->origins.n,
        .hosts = args->hosts.v,
        .n_hosts = args->hosts.n,
        .threads = args->threads,
        .max_top = args->max_top,
        .connections = args->connections,
        .per_address = limits_one ? args->per_address : 64,
        .counts_loopback = limits_one,
        .seconds = args->seconds,
        .watch = args->watch,
        .approximate = args->approximate.wanted,
        .planes = args->approximate.planes,
        .probes = args->approximate.probes,
        .hooks = &hooks,
        .listens = say_where,
    };
    const int code = serve_until_ended(&options, message, sizeof message);
    cli_display_end(&display);
    return code == 0 ? 0 : cli_error(code, "%s", message);
}

int cmd_serve(cli *c, int argc, char **argv)
{
    serve_args args = {.max_top = 1000, .connections = 512, .per_address = -1, .seconds = 10};
    const cli_option table[] = {
        {"--listen", CLI_TEXT, &args.listen, "WHERE",
         "ADDRESS:PORT or unix:PATH; default 127.0.0.1:8080, which only this machine\n"
         "reaches. Port 0 is a free one",
         0, 0},
        {"--watch", CLI_FLAG, &args.watch, NULL,
         "take the run again when it is another one: RUN may be a link to a folder", 0, 0},
        {"--token-file", CLI_TEXT, &args.token_file, "FILE",
         "whoever asks must send this file's line, as Authorization: Bearer or\n"
         "X-API-Key",
         0, 0},
        {"--allow-origin", CLI_REPEAT, &args.origins, "URL",
         "pages of this origin may ask, too; may be repeated", 0, 0},
        {"--allow-host", CLI_REPEAT, &args.hosts, "NAME",
         "a name that the service has, beside localhost and addresses; may be repeated", 0, 0},
        {"--feedback", CLI_TEXT, &args.feedback, "FILE.jsonl",
         "keep what people like there, for the next run (source.format: jsonl)", 0, 0},
        {"--max-top", CLI_INT, &args.max_top, "K", "items of an answer at most; default 1000", 1,
         1000000},
        {"--threads", CLI_INT, &args.threads, "N",
         "that wait for clients; default by the processors, at most 4", 1, 64},
        {"--connections", CLI_INT, &args.connections, "N", "at once; default 512", 1, 100000},
        {"--per-address", CLI_INT, &args.per_address, "N",
         "of one address at once, 0 = no limit; default 64, and no limit for this\n"
         "machine's own",
         0, 100000},
        {"--request-seconds", CLI_INT, &args.seconds, "S",
         "a request must be there after that time; default 10", 1, 3600},
        CLI_APPROXIMATE_OPTIONS(args.approximate),
        {"--quiet", CLI_FLAG, &args.quiet, NULL, "warnings only", 0, 0},
        {"--device", CLI_TEXT, &args.device, "auto|cpu|cuda|cuda:N", "where to compute", 0, 0},
        {"--data", CLI_TEXT, &args.data, "DIR", "where the data files are now, if they moved", 0,
         0},
        {NULL, CLI_FLAG, NULL, NULL, NULL, 0, 0},
    };
    const cli_spec spec = {
        "serve",
        "RUN",
        false,
        "Answers over HTTP what recommend, similar and score answer, and shows a page to try it\n"
        "on. RUN is a run folder or a file of rankine export --format model. SIGHUP takes it\n"
        "again, SIGTERM and Ctrl-C end the service when what was asked is answered. All\n"
        "addresses: docs/serving.md, and /openapi.json of the service.",
        "  rankine serve runs/demo\n"
        "  rankine serve runs/current --watch --feedback liked.jsonl\n"
        "  rankine serve runs/demo --listen 0.0.0.0:8080 --token-file token.txt\n"
        "  curl 'http://127.0.0.1:8080/api/v1/users/5/recommendations?n=10&reasons=3'",
        table};
    int code;
    if (cli_parse(c, &spec, argc, argv, &code)) {
        code = serve(c, &args);
    }
    cli_free(args.origins.v);
    cli_free(args.hosts.v);
    return code;
}
