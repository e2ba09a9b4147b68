/*
 * RecBole's models, with what each has besides data and evaluation: settings, sampling, training.
 * RecBole: properties/model/, model/general_recommender/, trainer/, data/dataloader/.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "config/recbole_bridge.h"

typedef struct model {
    const char *theirs, *ours; /* ours NULL: refused, for the reason in note */
    bool by_gradients;
    const char *note;
} model;

static const model models[] = {
    {"LightGCN", "lightgcn", true, ""},
    {"BPR", "mf", true, ""},
    {"EASE", "ease", false, ""},
    {"ItemKNN", "item_knn", false, ""},
    {"Pop", "popularity", false,
     "RecBole counts the negatives that it draws, too; here only interactions count"},
    {"NGCF", NULL, true, "it hands rows of unit length from layer to layer and ours does not"},
    {"SGL", NULL, true, "it contrasts a batch with all nodes and ours within the batch"},
    {"NeuMF", "neumf", true,
     "matrices of layers begin with Xavier's uniform numbers and biases with 0, not both with "
     "PyTorch's"},
    {"FM", NULL, true, "it learns labels there, and interactions here"},
    {"SLIMElastic", "slim", false, "RecBole's number of users has its padding in it, one more"},
    {"SimpleX", NULL, true, "it is another model than loss.kind ccl"},
};

enum { N_MODELS = sizeof models / sizeof models[0] };

rk_status rk__bridge_model(rk_bridge *b)
{
    const char *name;
    rk_buffer known = {0};
    RK_TRY(rk__bridge_text(b, b->root, "model", NULL, &name));
    for (int i = 0; i < N_MODELS; i++) {
        if (name && strcmp(models[i].theirs, name) == 0) {
            if (!models[i].ours) {
                RK_FAIL(RK_ERR_CONFIG, "%s: the model %s is not the same here: %s", b->place, name,
                        models[i].note);
            }
            b->kind = models[i].ours;
            b->by_gradients = models[i].by_gradients;
            if (models[i].note[0] != '\0') {
                rk__bridge_note(b, b->place, name, models[i].note);
            }
            return rk__bridge_set(b, "model.kind", b->kind);
        }
    }
    for (int i = 0; i < N_MODELS; i++) {
        if (models[i].ours) {
            rk__buffer_add(&known, "%s%s", known.length > 0 ? ", " : "", models[i].theirs);
        }
    }
    rk_status status =
        name ? rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                        "%s: no counterpart of the model %s; there is one of %s", b->place, name,
                        known.at)
             : rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                        "%s: the key 'model' is missing: add the line 'model: LightGCN' or "
                        "another of %s",
                        b->path, known.at);
    rk__buffer_free(&known);
    return status;
}

/* A number, times `factor`. What is none is an error of the option. */
static rk_status set_scaled(rk_bridge *b, const char *option, const char *text, double factor)
{
    double number = 0;
    if (factor == 1 || rk__parse_real(text, strlen(text), &number) != RK_PARSE_OK) {
        return rk__bridge_set(b, option, text);
    }
    return rk__bridge_set_real(b, option, number * factor);
}

/* Each row of a batch is a positive or a negative, with a label. */
static bool is_by_points(const rk_bridge *b)
{
    return strcmp(b->kind, "neumf") == 0 || strcmp(b->kind, "gmf") == 0 ||
           strcmp(b->kind, "mlp") == 0;
}

/* Negatives, and how many positives a batch of RecBole's rows has. */
static rk_status take_sampling(rk_bridge *b, int64_t *out_negatives)
{
    static const char *const names[] = {"distribution", "sample_num", "alpha", "dynamic",
                                        "candidate_num"};
    const char *distribution, *number, *text;
    int64_t n = 0, batch = 0;
    bool is_dynamic;
    const yaml_node_t *args = rk__bridge_find(b, b->root, "train_neg_sample_args");
    if (args ? args->type != YAML_MAPPING_NODE : rk__bridge_is_given(b)) {
        RK_FAIL(RK_ERR_CONFIG, "%s: %s needs train_neg_sample_args, a map", b->place, b->kind);
    }
    rk__bridge_check_names(b, args, "train_neg_sample_args", names, RK_COUNT_OF(names));
    RK_TRY(rk__bridge_flag(b, args, "dynamic", false, &is_dynamic));
    if (is_dynamic) {
        RK_FAIL(RK_ERR_CONFIG, "%s: dynamic negatives are drawn otherwise here: write False",
                b->place);
    }
    RK_TRY(rk__bridge_text(b, args, "distribution", "uniform", &distribution));
    const bool is_popular = strcmp(distribution, "popularity") == 0;
    if (!is_popular && strcmp(distribution, "uniform") != 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s: distribution is '%s'; uniform or popularity is wanted",
                b->place, distribution);
    }
    RK_TRY(rk__bridge_set(b, "sampling.negatives", distribution));
    if (is_popular) {
        RK_TRY(rk__bridge_text(b, args, "alpha", "1.0", &text));
        RK_TRY(rk__bridge_set(b, "sampling.alpha", text));
    }
    RK_TRY(rk__bridge_text(b, args, "sample_num", "1", &number));
    if (rk__parse_int(number, strlen(number), &n) != RK_PARSE_OK || n < 1) {
        RK_FAIL(RK_ERR_CONFIG, "%s: sample_num is '%s'; an integer from 1 on is wanted", b->place,
                number);
    }
    if (n > 1 && strcmp(b->kind, "lightgcn") == 0) {
        rk__bridge_note(b, b->place, "sample_num",
                        "RecBole counts each pair as often in reg_weight's term and divides by as "
                        "much; here a pair counts once, so the same reg_weight regularises more");
    }
    RK_TRY(rk__bridge_set(b, "sampling.per_positive", number));
    RK_TRY(rk__bridge_set(b, "sampling.positives", "shuffle"));
    RK_TRY(rk__bridge_text(b, b->root, "train_batch_size", "2048", &text));
    if (rk__parse_int(text, strlen(text), &batch) != RK_PARSE_OK || batch < 1) {
        RK_FAIL(RK_ERR_CONFIG, "%s: train_batch_size is '%s'; an integer from 1 on is wanted",
                b->place, text);
    }
    *out_negatives = n;
    n += is_by_points(b); /* rows of a positive */
    return rk__bridge_set_real(b, "train.batch", (double)(batch / n > 1 ? batch / n : 1));
}

/* rows: of a positive in a loss by points. Its mean over all rows is 1 / rows of ours, which Adam
 * does not see but for what is added to gradients or bounds them. */
static rk_status take_optimizer(rk_bridge *b, double rows)
{
    const char *text, *learner;
    int64_t interval = -1;
    RK_TRY(rk__bridge_row(b, "epochs", "300"));
    RK_TRY(rk__bridge_row(b, "learner", "adam"));
    RK_TRY(rk__bridge_text(b, b->root, "learner", "adam", &learner));
    RK_TRY(rk__bridge_text(b, b->root, "learning_rate", "0.001", &text));
    RK_TRY(
        set_scaled(b, "train.learning_rate", text, rk__bridge_is(learner, "sgd") ? 1 / rows : 1));
    RK_TRY(rk__bridge_text(b, b->root, "weight_decay", "0", &text));
    RK_TRY(set_scaled(b, "train.weight_decay", text, rows));
    RK_TRY(rk__bridge_text(b, b->root, "eval_step", "1", &text));
    RK_TRY(rk__bridge_set(b, "eval.every", text));
    if (rk__parse_int(text, strlen(text), &interval) == RK_PARSE_OK && interval == 0) {
        RK_TRY(rk__bridge_set(b, "eval.select", "last"));
    } else {
        RK_TRY(rk__bridge_row(b, "stopping_step", "10"));
    }
    const yaml_node_t *clip = rk__bridge_find(b, b->root, "clip_grad_norm");
    if (clip) {
        const char *type;
        double most = 0;
        char place[sizeof b->place];
        memcpy(place, b->place, sizeof place);
        RK_TRY(rk__bridge_text(b, clip, "norm_type", "2", &type));
        RK_TRY(rk__bridge_text(b, clip, "max_norm", NULL, &text));
        if (!text || (strcmp(type, "2") != 0 && strcmp(type, "2.0") != 0) ||
            rk__parse_real(text, strlen(text), &most) != RK_PARSE_OK || most <= 0) {
            RK_FAIL(RK_ERR_CONFIG,
                    "%s: clip_grad_norm wants max_norm, a number above 0, with norm_type 2, e.g. "
                    "{max_norm: 5, norm_type: 2}",
                    place);
        }
        RK_TRY(set_scaled(b, "train.clip_norm", text, rows));
    }
    return RK_OK;
}

static rk_status take_products(rk_bridge *b)
{
    bool is_squared;
    const bool is_mf = strcmp(b->kind, "mf") == 0;
    RK_TRY(rk__bridge_set(b, "model.init", is_mf ? "xavier_normal" : "xavier"));
    RK_TRY(rk__bridge_row(b, "embedding_size", "64"));
    if (is_mf) {
        rk__bridge_find(b, b->root, "model");
        return rk__bridge_set(b, "loss.l2", "0");
    }
    RK_TRY(rk__bridge_row(b, "n_layers", "2"));
    RK_TRY(rk__bridge_row(b, "reg_weight", "1e-05"));
    RK_TRY(rk__bridge_flag(b, b->root, "require_pow", false, &is_squared));
    return rk__bridge_set(b, "loss.l2_form", is_squared ? "squared" : "norm");
}

/* NeuMF without one of its halves is the other one. */
static rk_status take_halves(rk_bridge *b)
{
    const char *width, *other;
    bool is_pretrained, has_products, has_layers;
    RK_TRY(rk__bridge_flag(b, b->root, "use_pretrain", false, &is_pretrained));
    if (is_pretrained) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: use_pretrain reads files of RecBole's: write False, or name runs of gmf and "
                "mlp by model.from in a config of rankine's own",
                b->place);
    }
    RK_TRY(rk__bridge_flag(b, b->root, "mf_train", true, &has_products));
    RK_TRY(rk__bridge_flag(b, b->root, "mlp_train", true, &has_layers));
    if (!has_products && !has_layers) {
        RK_FAIL(RK_ERR_CONFIG, "%s: mf_train and mlp_train are both False", b->place);
    }
    if (has_products && has_layers) {
        RK_TRY(rk__bridge_text(b, b->root, "mlp_embedding_size", "64", &other));
        RK_TRY(rk__bridge_text(b, b->root, "mf_embedding_size", "64", &width));
        if (strcmp(width, other) != 0) {
            RK_FAIL(RK_ERR_CONFIG,
                    "%s: mf_embedding_size is %s and mlp_embedding_size %s: here both halves of "
                    "neumf have one width: write the same",
                    b->place, width, other);
        }
    } else if (has_products) {
        rk__bridge_note(b, b->place, "mlp_train", "RecBole adds a bias to the products");
    }
    b->kind = !has_layers ? "gmf" : has_products ? "neumf" : "mlp";
    return rk__bridge_set(b, "model.kind", b->kind);
}

static rk_status take_layers(rk_bridge *b, const char *negatives)
{
    const char *text;
    RK_TRY(rk__bridge_row(
        b, strcmp(b->kind, "mlp") == 0 ? "mlp_embedding_size" : "mf_embedding_size", "64"));
    rk__bridge_find(b, b->root, "model");
    RK_TRY(rk__bridge_set(b, "model.init_sd", "0.01"));
    RK_TRY(rk__bridge_set(b, "loss.kind", "bce"));
    RK_TRY(rk__bridge_set(b, "loss.negative_weight", negatives));
    RK_TRY(rk__bridge_set(b, "loss.l2", "0"));
    if (strcmp(b->kind, "gmf") == 0) {
        return RK_OK;
    }
    RK_TRY(rk__bridge_list(b, "mlp_hidden_size", "model.hidden", "128,64"));
    RK_TRY(rk__bridge_text(b, b->root, "dropout_prob", "0.1", &text));
    RK_TRY(rk__bridge_set(b, "model.dropout", text));
    return rk__bridge_set(b, "model.dropout_at", "inputs");
}

static rk_status take_training(rk_bridge *b)
{
    int64_t n = 0;
    char negatives[24];
    RK_TRY(strcmp(b->kind, "neumf") == 0 ? take_halves(b) : RK_OK);
    RK_TRY(take_sampling(b, &n));
    RK_TRY(take_optimizer(b, is_by_points(b) ? (double)(n + 1) : 1));
    snprintf(negatives, sizeof negatives, "%lld", (long long)n);
    return is_by_points(b) ? take_layers(b, negatives) : take_products(b);
}

static rk_status take_neighbours(rk_bridge *b)
{
    const char *text;
    double shrink = 0;
    RK_TRY(rk__bridge_text(b, b->root, "shrink", "0.0", &text));
    if (rk__parse_real(text, strlen(text), &shrink) != RK_PARSE_OK || shrink != 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: shrink %s is added to a denominator there, which nothing here does: write 0",
                b->place, text);
    }
    RK_TRY(rk__bridge_text(b, b->root, "knn_method", "item", &text));
    if (strcmp(text, "user") == 0) {
        b->kind = "user_knn";
        rk__bridge_note(b, b->place, "knn_method",
                        "near RecBole's metrics, not equal to them (docs/recbole.md)");
        RK_TRY(rk__bridge_set(b, "model.kind", "user_knn"));
    } else if (strcmp(text, "item") == 0) {
        RK_TRY(rk__bridge_set(b, "model.aggregate", "target"));
    } else {
        RK_FAIL(RK_ERR_CONFIG, "%s: knn_method is '%s'; item or user is wanted", b->place, text);
    }
    return rk__bridge_row(b, "k", "100");
}

/* 1/2 of the mean squared error over users, alpha * l1_ratio |w|_1 and alpha * (1 - l1_ratio) / 2
 * |w|^2: scikit-learn's ElasticNet. */
static rk_status take_elastic_net(rk_bridge *b)
{
    const char *text;
    double alpha = 0, share = 0;
    bool is_hidden, is_positive;
    RK_TRY(rk__bridge_flag(b, b->root, "hide_item", true, &is_hidden));
    if (!is_hidden) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: hide_item False lets an item explain itself, which nothing here does: write "
                "True",
                b->place);
    }
    RK_TRY(rk__bridge_flag(b, b->root, "positive_only", true, &is_positive));
    RK_TRY(rk__bridge_set(b, "model.negative_weights", is_positive ? "false" : "true"));
    RK_TRY(rk__bridge_text(b, b->root, "l1_ratio", "0.02", &text));
    if (rk__parse_real(text, strlen(text), &share) != RK_PARSE_OK || share < 0 || share > 1) {
        RK_FAIL(RK_ERR_CONFIG, "%s: l1_ratio is '%s'; a number from 0 to 1 is wanted", b->place,
                text);
    }
    RK_TRY(rk__bridge_text(b, b->root, "alpha", "0.2", &text));
    if (rk__parse_real(text, strlen(text), &alpha) != RK_PARSE_OK || alpha < 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s: alpha is '%s'; a number from 0 on is wanted", b->place, text);
    }
    RK_TRY(rk__bridge_set(b, "model.penalty_per_user", "true"));
    RK_TRY(rk__bridge_set_real(b, "model.l1", alpha * share));
    RK_TRY(rk__bridge_set_real(b, "model.l2", alpha * (1 - share)));
    return rk__bridge_set(b, "model.neighbours", "0");
}

rk_status rk__bridge_settings(rk_bridge *b)
{
    if (b->by_gradients) {
        return take_training(b);
    }
    if (strcmp(b->kind, "ease") == 0) {
        return rk__bridge_row(b, "reg_weight", "250.0");
    }
    if (strcmp(b->kind, "slim") == 0) {
        return take_elastic_net(b);
    }
    return strcmp(b->kind, "item_knn") == 0 ? take_neighbours(b) : RK_OK;
}
