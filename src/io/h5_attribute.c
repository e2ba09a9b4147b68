/* Attributes: scalars and texts on the root of the file. */
#include <string.h>

#include "base/alloc.h"
#include "io/h5_internal.h"

/* Writes one value, whose type in memory and on disk may differ in byte order. */
static rk_status set(rk_h5 *file, const char *name, hid_t file_type, hid_t memory_type,
                     const void *value)
{
    RK_ASSERT(file->writing);
    rk_status status = RK_OK;
    hid_t space = H5Screate(H5S_SCALAR), attribute = H5I_INVALID_HID;
    if (space >= 0) {
        attribute = H5Acreate2(file->id, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
    }
    if (attribute < 0 || H5Awrite(attribute, memory_type, value) < 0) {
        status = rk__h5_fail(file, "attribute '%s' cannot be written", name);
    } else {
        status = rk__h5_check_writes(file);
    }
    if (attribute >= 0) {
        H5Aclose(attribute);
    }
    if (space >= 0) {
        H5Sclose(space);
    }
    return status;
}

rk_status rk__h5_set_i64(rk_h5 *file, const char *name, int64_t value)
{
    rk__h5_quiet();
    return set(file, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

rk_status rk__h5_set_u64(rk_h5 *file, const char *name, uint64_t value)
{
    rk__h5_quiet();
    return set(file, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, &value);
}

rk_status rk__h5_set_f64(rk_h5 *file, const char *name, double value)
{
    rk__h5_quiet();
    return set(file, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
}

/* A text type of that many bytes, final zero included; negative when HDF5 fails. */
static hid_t text_type(size_t bytes)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && (H5Tset_size(type, bytes) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
        H5Tclose(type);
        return H5I_INVALID_HID;
    }
    return type;
}

rk_status rk__h5_set_text(rk_h5 *file, const char *name, const char *value)
{
    rk__h5_quiet();
    hid_t type = text_type(strlen(value) + 1);
    if (type < 0) {
        return rk__h5_fail(file, "attribute '%s' cannot be set up", name);
    }
    rk_status status = set(file, name, type, type, value);
    H5Tclose(type);
    return status;
}

bool rk__h5_has_attribute(const rk_h5 *file, const char *name)
{
    rk__h5_quiet();
    return H5Aexists(file->id, name) > 0;
}

/* Opens an attribute and its type; the caller closes both. */
static rk_status open_attribute(const rk_h5 *file, const char *name, hid_t *out_attribute,
                                hid_t *out_type)
{
    rk__h5_quiet();
    htri_t there = H5Aexists(file->id, name);
    if (there == 0) {
        RK_FAIL(RK_ERR_DATA, "%s has no attribute '%s'", file->path, name);
    }
    *out_attribute = there < 0 ? H5I_INVALID_HID : H5Aopen(file->id, name, H5P_DEFAULT);
    *out_type = *out_attribute < 0 ? H5I_INVALID_HID : H5Aget_type(*out_attribute);
    if (*out_type < 0) {
        rk_status status = rk__h5_fail(file, "attribute '%s' cannot be opened", name);
        if (*out_attribute >= 0) {
            H5Aclose(*out_attribute);
        }
        return status;
    }
    return RK_OK;
}

static bool is_scalar(hid_t attribute)
{
    hid_t space = H5Aget_space(attribute);
    bool scalar = space >= 0 && H5Sget_simple_extent_npoints(space) == 1;
    if (space >= 0) {
        H5Sclose(space);
    }
    return scalar;
}

static rk_status get(const rk_h5 *file, const char *name, hid_t file_type, hid_t memory_type,
                     const char *type_name, void *out)
{
    hid_t attribute = H5I_INVALID_HID, type = H5I_INVALID_HID;
    RK_TRY(open_attribute(file, name, &attribute, &type));
    rk_status status = RK_OK;
    if (H5Tequal(type, file_type) <= 0 || !is_scalar(attribute)) {
        RK_FAIL_GOTO(done, RK_ERR_DATA, "%s: attribute '%s' is not one %s", file->path, name,
                     type_name);
    }
    if (H5Aread(attribute, memory_type, out) < 0) {
        status = rk__h5_fail(file, "attribute '%s' is damaged", name);
    }
done:
    H5Tclose(type);
    H5Aclose(attribute);
    return status;
}

rk_status rk__h5_get_i64(const rk_h5 *file, const char *name, int64_t *out)
{
    return get(file, name, H5T_STD_I64LE, H5T_NATIVE_INT64, "int64", out);
}

rk_status rk__h5_get_u64(const rk_h5 *file, const char *name, uint64_t *out)
{
    return get(file, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, "uint64", out);
}

rk_status rk__h5_get_f64(const rk_h5 *file, const char *name, double *out)
{
    return get(file, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, "float64", out);
}

rk_status rk__h5_get_text(const rk_h5 *file, const char *name, char **out)
{
    hid_t attribute = H5I_INVALID_HID, type = H5I_INVALID_HID;
    char *text = NULL;
    RK_TRY(open_attribute(file, name, &attribute, &type));
    rk_status status = RK_OK;
    if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0 ||
        !is_scalar(attribute)) {
        RK_FAIL_GOTO(done, RK_ERR_DATA, "%s: attribute '%s' is not one text", file->path, name);
    }
    size_t bytes = H5Tget_size(type);
    RK_TRY_GOTO(done, rk__alloc(&text, (int64_t)bytes + 1, 1, "an attribute"));
    if (H5Aread(attribute, type, text) < 0) {
        status = rk__h5_fail(file, "attribute '%s' is damaged", name);
        goto done;
    }
    text[bytes] = '\0';
    *out = text;
    text = NULL;
done:
    rk__free(text);
    H5Tclose(type);
    H5Aclose(attribute);
    return status;
}
