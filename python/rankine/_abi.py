"""The C interface as ctypes: structures, callbacks, signatures.

Written for one number of rk_abi_version. tests/python/test_layout.py compiles a C program against
the headers and compares every size, offset and constant with what stands here.
"""
from __future__ import annotations

import ctypes as c
from typing import Any

ABI_VERSION = 1
ID_BYTES = 24
RATING_ERRORS = 6

STATUSES = ("RK_OK", "RK_ERR_CONFIG", "RK_ERR_DATA", "RK_ERR_IO", "RK_ERR_MEMORY",
            "RK_ERR_DIVERGED", "RK_ERR_DEVICE", "RK_ERR_INTERRUPTED", "RK_ERR_INTERNAL",
            "RK_ERR_RANKS")
LOG_LEVELS = ("RK_LOG_DEBUG", "RK_LOG_INFO", "RK_LOG_WARNING")
PARTS = ("RK_TRAIN", "RK_VALID", "RK_TEST", "RK_GIVEN")
TENSOR_TYPES = ("RK_TENSOR_F32", "RK_TENSOR_I32", "RK_TENSOR_I64")
BASES = ("RK_BASIS_MODEL", "RK_BASIS_ITEMS", "RK_BASIS_POPULARITY")
NEW_IDS = ("RK_NEW_DRAWN", "RK_NEW_FOLDED")
SWEEP_METHODS = ("RK_SWEEP_GRID", "RK_SWEEP_RANDOM", "RK_SWEEP_HALVING", "RK_SWEEP_TPE")
EXPORTS = ("RK_EXPORT_NPY", "RK_EXPORT_TSV", "RK_EXPORT_SAFETENSORS", "RK_EXPORT_INTER",
           "RK_EXPORT_NPZ")

Handle = c.c_void_p  # of an opaque type
i32, i64, f32, f64, text = c.c_int32, c.c_int64, c.c_float, c.c_double, c.c_char_p
P = c.POINTER


class Progress(c.Structure):  # rk_progress
    _fields_ = [("phase", text), ("done", i64), ("total", i64), ("unit", text), ("seconds", f64),
                ("epoch", i64), ("epochs", i64), ("loss", f64), ("samples_per_second", f64),
                ("eta_seconds", f64), ("metric", text), ("metric_value", f64), ("run", i64),
                ("runs", i64)]


LogCallback = c.CFUNCTYPE(None, c.c_void_p, c.c_int, text)
ProgressCallback = c.CFUNCTYPE(None, c.c_void_p, P(Progress))
StopCallback = c.CFUNCTYPE(c.c_bool, c.c_void_p)
ScalarCallback = c.CFUNCTYPE(None, c.c_void_p, text, i64, f64)
BegunCallback = c.CFUNCTYPE(None, c.c_void_p, text, Handle)


class Hooks(c.Structure):  # rk_hooks
    _fields_ = [("log", LogCallback), ("progress", ProgressCallback),
                ("should_stop", StopCallback), ("user", c.c_void_p), ("scalar", ScalarCallback)]


class Columns(c.Structure):  # rk_columns
    _fields_ = [("size", c.c_size_t), ("n", i64), ("users", P(i64)), ("items", P(i64)),
                ("user_texts", c.c_void_p), ("item_texts", c.c_void_p), ("times", P(f64)),
                ("parts", P(c.c_uint8)), ("values", P(f64)), ("fields", c.c_void_p)]


class Degrees(c.Structure):  # rk_degrees
    _fields_ = [("min", i64), ("median", i64), ("max", i64), ("mean", f64), ("decile", i64 * 9)]


class DatasetStats(c.Structure):  # rk_dataset_stats
    _fields_ = [(name, i64) for name in (
        "users", "items", "rows_read", "rows_filtered", "rows_missing", "ids_trimmed",
        "duplicates", "overlap", "interactions", "train", "valid", "test", "filter_passes",
        "users_dropped", "items_dropped", "empty_users", "valid_users", "test_users",
        "cold_valid_items", "cold_test_items", "cold_items", "cold_test_users")] + [
        ("density", f64), ("user_degrees", Degrees), ("item_degrees", Degrees)] + [
        (name, i64) for name in ("given", "given_users", "tied_users", "repeats", "in_gap")]


class IdList(c.Structure):  # rk_id_list
    _fields_ = [("n", i64), ("numbers", P(i64)), ("texts", P(text))]


class TrainOptions(c.Structure):  # rk_train_options
    _fields_ = [("run_dir", text), ("new_dir", c.c_bool), ("resume", c.c_bool),
                ("force", c.c_bool), ("eager", c.c_bool), ("profile", c.c_bool),
                ("without_test", c.c_bool), ("dataset", Handle), ("from", text),
                ("new_ids", c.c_int), ("command", text), ("begun", BegunCallback), ("user", c.c_void_p)]


class ModelFacts(c.Structure):  # rk_model_facts
    _fields_ = [("kind", text), ("epoch", i64), ("users", i64), ("items", i64),
                ("folds_in", c.c_bool), ("is_same_for_all", c.c_bool),
                ("finds_similar", c.c_bool), ("cold_users", i64), ("cold_items", i64),
                ("tensors", i64), ("explains", c.c_bool), ("predicts_ratings", c.c_bool),
                ("low", f64), ("high", f64), ("compat", text)]


class TensorInfo(c.Structure):  # rk_tensor_info
    _fields_ = [("name", text), ("type", c.c_int), ("rows", i64), ("cols", i64)]


class Query(c.Structure):  # rk_query
    _fields_ = [("user", i64), ("items", P(i32)), ("weights", P(f32)), ("n_items", i64),
                ("context", P(i32)), ("n_context", i64), ("deny", P(i32)), ("n_deny", i64)]


class Selection(c.Structure):  # rk_selection
    _fields_ = [("seen", c.c_uint), ("keep_given", c.c_bool), ("deny", P(i32)), ("n_deny", i64),
                ("allow", P(i32)), ("n_allow", i64), ("has_min_score", c.c_bool),
                ("min_score", f32)]


class Grounds(c.Structure):  # rk_grounds
    _fields_ = [("basis", c.c_int), ("items_used", i64), ("context_used", i64)]


class Reason(c.Structure):  # rk_reason
    _fields_ = [("item", i32), ("part", f32)]


class Explanation(c.Structure):  # rk_explanation
    _fields_ = [("is_exact", c.c_bool), ("sum", f32)]


class Recommendation(c.Structure):  # rk_recommendation
    _fields_ = [("item", i32), ("score", f32)]


class MetricValue(c.Structure):  # rk_metric_value
    _fields_ = [("name", text), ("value", f64), ("expected", f64)]


class Metrics(c.Structure):  # rk_metrics
    _fields_ = [("values", P(MetricValue)), ("count", i64), ("users", i64), ("seconds", f64)]


class Ratings(c.Structure):  # rk_ratings
    _fields_ = [("pairs", i64), ("low", f64), ("high", f64), ("model", f64 * RATING_ERRORS),
                ("global_mean", f64 * RATING_ERRORS), ("item_mean", f64 * RATING_ERRORS),
                ("biases", f64 * RATING_ERRORS)]


class EvaluateOptions(c.Structure):  # rk_evaluate_options
    _fields_ = [("part", c.c_int), ("popularity", c.c_bool), ("trace", c.c_bool),
                ("metrics", text), ("k", P(i64)), ("n_k", i64), ("users", P(i32)),
                ("n_users", i64), ("holdout", Handle), ("each", c.c_bool), ("slices", c.c_bool)]


class Slice(c.Structure):  # rk_slice
    _fields_ = [("of_items", c.c_bool), ("first", i64), ("last", i64), ("users", i64),
                ("pairs", i64), ("values", P(f64))]


class Evaluation(c.Structure):  # rk_evaluation
    _fields_ = [("metrics", Metrics), ("users", P(i32)), ("held_out", P(i64)), ("values", P(f64)),
                ("slices", P(Slice)), ("n_slices", i64), ("ratings", Ratings)]


class SweepTrial(c.Structure):  # rk_sweep_trial
    _fields_ = [("number", i64), ("trials", i64), ("options", text), ("folder", text),
                ("epochs", i64), ("value", f64), ("is_best", c.c_bool), ("same_as", i64),
                ("failure", text)]


TrialCallback = c.CFUNCTYPE(None, c.c_void_p, P(SweepTrial))


class SweepOptions(c.Structure):  # rk_sweep_options
    _fields_ = [("run_dir", text), ("new_dir", c.c_bool), ("resume", c.c_bool), ("space", text),
                ("method", c.c_int), ("trials", i64), ("seed", i64), ("final_seeds", i64),
                ("dataset", Handle), ("begun", BegunCallback), ("trial", TrialCallback),
                ("user", c.c_void_p)]


# The C name of each structure, for the test of their layouts.
STRUCTURES: dict[str, type[c.Structure]] = {
    "rk_progress": Progress, "rk_hooks": Hooks, "rk_columns": Columns, "rk_degrees": Degrees,
    "rk_dataset_stats": DatasetStats, "rk_id_list": IdList, "rk_train_options": TrainOptions,
    "rk_model_facts": ModelFacts, "rk_tensor_info": TensorInfo, "rk_query": Query,
    "rk_selection": Selection, "rk_grounds": Grounds, "rk_reason": Reason,
    "rk_explanation": Explanation, "rk_recommendation": Recommendation,
    "rk_metric_value": MetricValue, "rk_metrics": Metrics, "rk_ratings": Ratings,
    "rk_evaluate_options": EvaluateOptions, "rk_slice": Slice, "rk_evaluation": Evaluation,
    "rk_sweep_trial": SweepTrial, "rk_sweep_options": SweepOptions,
}

_status = c.c_int
_owned_text = P(c.c_void_p)  # char ** that is freed with rk_string_free
SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "rk_version": (text, []),
    "rk_abi_version": (c.c_int, []),
    "rk_info": (_status, [text, _owned_text]),
    "rk_last_error": (text, []),
    "rk_last_error_origin": (text, []),
    "rk_string_free": (None, [c.c_void_p]),
    "rk_config_create": (_status, [P(Handle)]),
    "rk_config_load": (_status, [P(Handle), text]),
    "rk_config_load_recbole": (_status, [P(Handle), text, _owned_text]),
    "rk_config_set": (_status, [Handle, text, text]),
    "rk_config_check_id": (_status, [Handle, text]),
    "rk_config_get": (_status, [Handle, text, P(text)]),
    "rk_config_get_origin": (_status, [Handle, text, P(text)]),
    "rk_config_is_read": (_status, [Handle, text, P(c.c_bool)]),
    "rk_config_check": (_status, [Handle]),
    "rk_config_settle": (_status, [Handle, _owned_text]),
    "rk_config_text": (_status, [Handle, c.c_bool, _owned_text]),
    "rk_config_reference": (_status, [c.c_bool, _owned_text]),
    "rk_config_free": (None, [Handle]),
    "rk_dataset_prepare": (_status, [Handle, c.c_bool, P(Hooks), P(Handle)]),
    "rk_dataset_from_columns": (_status, [Handle, P(Columns), P(Hooks), P(Handle)]),
    "rk_dataset_open": (_status, [text, P(Handle)]),
    "rk_dataset_free": (None, [Handle]),
    "rk_dataset_get_stats": (P(DatasetStats), [Handle]),
    "rk_dataset_name": (text, [Handle]),
    "rk_dataset_path": (text, [Handle]),
    "rk_dataset_fingerprint": (text, [Handle]),
    "rk_dataset_user_ids": (IdList, [Handle]),
    "rk_dataset_item_ids": (IdList, [Handle]),
    "rk_dataset_item_label": (text, [Handle, i64]),
    "rk_dataset_find_user": (_status, [Handle, text, P(i64)]),
    "rk_dataset_find_item": (_status, [Handle, text, P(i64)]),
    "rk_dataset_lists": (_status, [Handle, c.c_int, P(P(i64)), P(P(i32))]),
    "rk_dataset_field_name": (text, [Handle, i64]),
    "rk_dataset_find_value": (_status, [Handle, i64, text, P(i64)]),
    "rk_train_defaults": (TrainOptions, []),
    "rk_train_seeds": (_status, [Handle, P(TrainOptions), i64, P(Hooks)]),
    "rk_sweep_defaults": (SweepOptions, []),
    "rk_sweep_method_name": (text, [c.c_int]),
    "rk_sweep": (_status, [Handle, P(SweepOptions), P(Hooks)]),
    "rk_model_fit": (_status, [Handle, P(TrainOptions), P(Hooks), P(Handle)]),
    "rk_model_open": (_status, [text, text, text, P(Hooks), P(Handle)]),
    "rk_model_save": (_status, [Handle, text, c.c_bool]),
    "rk_model_export": (_status, [Handle, c.c_int, text, c.c_bool, _owned_text]),
    "rk_model_free": (None, [Handle]),
    "rk_model_dataset": (Handle, [Handle]),
    "rk_model_config": (Handle, [Handle]),
    "rk_model_get_facts": (ModelFacts, [Handle]),
    "rk_model_n_fields": (i64, [Handle]),
    "rk_model_field": (i64, [Handle, i64]),
    "rk_model_tensor_info": (_status, [Handle, i64, P(TensorInfo)]),
    "rk_model_find_tensor": (_status, [Handle, text, P(TensorInfo)]),
    "rk_model_read_tensor": (_status, [Handle, text, i64, i64, c.c_void_p, i64]),
    "rk_model_view_tensor": (_status, [Handle, text, P(c.c_void_p)]),
    "rk_model_embeddings": (_status, [Handle, P(TensorInfo)]),
    "rk_model_top_k": (_status, [Handle, P(Query), i64, P(Selection), i64, c.c_void_p]),
    "rk_model_grounds": (_status, [Handle, P(Query), P(Grounds)]),
    "rk_model_similar": (_status, [Handle, c.c_void_p, i64, P(Selection), i64, c.c_void_p]),
    "rk_model_explain": (_status, [Handle, P(Query), c.c_void_p, i64, i64, c.c_void_p,
                                   P(Explanation)]),
    "rk_model_score": (_status, [Handle, P(Query), i64, c.c_void_p, i64, c.c_void_p]),
    "rk_model_score_pairs": (_status, [Handle, c.c_void_p, c.c_void_p, i64, c.c_void_p]),
    "rk_selection_defaults": (Selection, []),
    "rk_basis_name": (text, [c.c_int]),
    "rk_rating_error_name": (text, [i64]),
    "rk_evaluate_defaults": (EvaluateOptions, []),
    "rk_evaluate": (_status, [Handle, P(EvaluateOptions), P(Hooks), P(Evaluation)]),
    "rk_evaluation_free": (None, [P(Evaluation)]),
    "rk_holdout_from_pairs": (_status, [Handle, c.c_void_p, c.c_void_p, i64, P(Handle)]),
    "rk_holdout_from_ratings": (_status, [Handle, c.c_void_p, c.c_void_p, c.c_void_p, i64,
                                          P(Handle)]),
    "rk_holdout_free": (None, [Handle]),
}


def declare(library: c.CDLL) -> list[str]:
    """Gives every function its types; the names of those that the library lacks."""
    missing = []
    for name, (result, arguments) in SIGNATURES.items():
        function = getattr(library, name, None)
        if function is None:
            missing.append(name)
        else:
            function.restype, function.argtypes = result, arguments
    return missing
