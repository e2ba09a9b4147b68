#include "config/recbole.h"

#include <string.h>

#include "base/near.h"
#include "base/parse.h"

#define PROPAGATING "lightgcn|lightgcn++|gcn|gat|rgcn|compgcn|irgnn"
#define BY_GRADIENTS                                                                               \
    "lightgcn|mf|lightgcn++|svd|fm|gmf|mlp|neumf|irgnn|gcn|ngcf|gat|rgcn|compgcn|mbgcn|"           \
    "mbgcn_cascade|distmult|transe|conve"
#define BY_LAYER_0 "lightgcn|mf|lightgcn++"
#define OF_LAYERS "mlp|neumf"

/* Sources: RecBole's properties/overall.yaml and properties/model/, its trainer, and RecBole-GNN's
 * SimGCL and XSimGCL (temperature, lambda, eps, layer_cl). */
static const rk_recbole_key keys[] = {
    {"seed", "", "run.seed", RK_RECBOLE_SAME, "random numbers are others, so are splits"},

    {"epochs", "", "train.epochs", RK_RECBOLE_SAME, ""},
    {"train_batch_size", BY_GRADIENTS, "train.batch", RK_RECBOLE_SAME,
     "RecBole counts rows, positives and negatives of a loss by points (NeuMF, FM) apart; here it "
     "is positives"},
    {"learning_rate", BY_GRADIENTS, "train.learning_rate", RK_RECBOLE_SAME, ""},
    {"learner", BY_GRADIENTS, "train.optimizer", RK_RECBOLE_LOWER, "adam and sgd"},
    {"weight_decay", BY_GRADIENTS, "train.weight_decay", RK_RECBOLE_SAME, ""},
    {"eval_step", "", "eval.every", RK_RECBOLE_SAME, ""},
    {"stopping_step", "", "eval.patience", RK_RECBOLE_ONE_MORE,
     "RecBole stops at the first check after so many without a gain"},

    {"topk", "", "eval.k", RK_RECBOLE_SAME, ""},
    {"metrics", "", "eval.metrics", RK_RECBOLE_LOWER, ""},
    {"valid_metric", "", "eval.metric", RK_RECBOLE_LOWER, ""},

    {"embedding_size", "", "model.dim", RK_RECBOLE_SAME, ""},
    {"mf_embedding_size", "gmf|neumf", "model.dim", RK_RECBOLE_SAME,
     "neumf: both halves have the same width"},
    {"mlp_embedding_size", "mlp|neumf", "model.dim", RK_RECBOLE_SAME,
     "neumf: both halves have the same width"},
    {"n_layers", PROPAGATING, "model.layers", RK_RECBOLE_SAME, ""},
    {"hidden_size_list", "ngcf", "model.layers", RK_RECBOLE_COUNT,
     "one width of each layer; all as wide as embedding_size"},
    {"mlp_hidden_size", "mlp|neumf", "model.hidden", RK_RECBOLE_SAME, ""},
    {"dropout_prob", OF_LAYERS, "model.dropout", RK_RECBOLE_SAME,
     "RecBole drops what goes into a layer, the embeddings as well: model.dropout_at inputs"},
    {"message_dropout", "ngcf", "model.dropout", RK_RECBOLE_SAME, ""},

    {"reg_weight", BY_LAYER_0, "loss.l2", RK_RECBOLE_SAME,
     "RecBole's is of norms (loss.l2_form norm), with require_pow of squares"},
    {"reg_weight", "ngcf", "loss.l2", RK_RECBOLE_SAME,
     "of norms (loss.l2_form norm) of the final embeddings (loss.l2_on propagated)"},
    {"reg_weight", "ease", "model.l2", RK_RECBOLE_SAME, ""},
    {"k", "item_knn|user_knn", "model.neighbours", RK_RECBOLE_SAME, ""},

    {"ssl_tau", BY_LAYER_0, "loss.contrast_temperature", RK_RECBOLE_SAME, "SGL"},
    {"ssl_weight", BY_LAYER_0, "loss.contrast_weight", RK_RECBOLE_SAME,
     "SGL: both losses are sums there, means here: the weight is the same"},
    {"drop_ratio", BY_LAYER_0, "loss.contrast_dropout", RK_RECBOLE_SAME, "SGL"},
    {"temperature", BY_LAYER_0, "loss.contrast_temperature", RK_RECBOLE_SAME, "SimGCL, XSimGCL"},
    {"lambda", BY_LAYER_0, "loss.contrast_weight", RK_RECBOLE_SAME, "SimGCL, XSimGCL"},
    {"eps", BY_LAYER_0, "loss.contrast_noise", RK_RECBOLE_SAME, "SimGCL, XSimGCL"},
    {"layer_cl", BY_LAYER_0, "loss.contrast_layer", RK_RECBOLE_SAME, "XSimGCL"},
};

enum { N_KEYS = sizeof keys / sizeof keys[0] };

const rk_recbole_key *rk__recbole_keys(int64_t *out_n)
{
    *out_n = N_KEYS;
    return keys;
}

static bool is_word_of(const char *words, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = words;; at++) {
        const size_t n = strcspn(at, "|");
        if (n == length && memcmp(at, word, n) == 0) {
            return true;
        }
        at += n;
        if (*at == '\0') {
            return false;
        }
    }
}

static bool is_called(const rk_recbole_key *row, const char *name, size_t length)
{
    return strlen(row->name) == length && memcmp(row->name, name, length) == 0;
}

const rk_recbole_key *rk__recbole_find(const char *name, size_t length, const char *kind)
{
    for (int i = 0; i < N_KEYS; i++) {
        if (is_called(&keys[i], name, length) &&
            (keys[i].kinds[0] == '\0' || is_word_of(keys[i].kinds, kind))) {
            return &keys[i];
        }
    }
    return NULL;
}

bool rk__recbole_knows(const char *name, size_t length)
{
    for (int i = 0; i < N_KEYS; i++) {
        if (is_called(&keys[i], name, length)) {
            return true;
        }
    }
    return false;
}

void rk__recbole_suggest(rk_buffer *out, const char *name, size_t length)
{
    const char *nearest = NULL;
    int best = RK_NEAR_LONGEST;
    for (int i = 0; i < N_KEYS; i++) {
        const int d = rk__edit_distance(name, length, keys[i].name, strlen(keys[i].name));
        if (d < best && rk__is_near(d, length)) {
            best = d;
            nearest = keys[i].name;
        }
    }
    if (nearest) {
        rk__buffer_add(out, "; did you mean '%s'?", nearest);
    }
}

rk_status rk__recbole_value(rk_buffer *out, const rk_recbole_key *row, const char *value,
                            size_t length, const char *place)
{
    int64_t number = 0;
    if (row->form == RK_RECBOLE_ONE_MORE) {
        if (rk__parse_int(value, length, &number) != RK_PARSE_OK || number < 0 ||
            number == INT64_MAX) {
            RK_FAIL(RK_ERR_CONFIG, "%s: %s is '%s'; an integer from 0 on is wanted", place,
                    row->name, rk__excerpt(value, length).text);
        }
        rk__buffer_add(out, "%lld", (long long)number + 1);
        return out->status;
    }
    for (size_t i = 0; i < length; i++) {
        const bool is_upper = value[i] >= 'A' && value[i] <= 'Z';
        const char c =
            (char)(row->form == RK_RECBOLE_LOWER && is_upper ? value[i] + ('a' - 'A') : value[i]);
        rk__buffer_add_bytes(out, &c, 1);
    }
    return out->status;
}
