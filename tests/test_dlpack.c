/* SPDX-License-Identifier: Apache-2.0 */
/* DLPack both ways without a copy, and refusals where a copy would be needed. */
#include "support/test.h"

#include "support/fake_device.h"
#include <hal/dlpack.h>

static int deleted;

static void forget(tn__dl_managed *m)
{
    (void)m;
    ++deleted;
}

TN_TEST(dlpack, roundtrip)
{
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    tn_device *d = fake_open(rt, FAKE_MAPPED), *p = fake_open(rt, 0);
    float data[12] = {1, 2, 3};
    int64_t shape[2] = {3, 4};
    tn__dl_managed m = {.version = {1, 0},
                        .deleter = forget,
                        .tensor = {.data = data,
                                   .device = {TN__DL_CPU, 0},
                                   .ndim = 2,
                                   .dtype = {TN__DL_FLOAT, 32, 1},
                                   .shape = shape}};
    tn_tensor t;
    deleted = 0;
    TN_EXPECT(tn_tensor_from_dlpack(p, &m, &t) == TN_STATUS_UNSUPPORTED && deleted == 0);
    m.version.major = 2;
    TN_EXPECT(tn_tensor_from_dlpack(d, &m, &t) == TN_STATUS_INCOMPATIBLE);
    m.version.major = 1;
    TN_REQUIRE(tn_tensor_from_dlpack(d, &m, &t) == TN_OK);
    TN_EXPECT(t.dtype == TN_F32 && t.rank == 2 && t.dim[1] == 4 && t.stride[0] == 4);
    tn__dl_managed *out = NULL;
    TN_REQUIRE(tn_tensor_to_dlpack(&t, (void **)&out) == TN_OK);
    TN_EXPECT(out->tensor.data == data && out->tensor.ndim == 2 && out->tensor.shape[0] == 3);
    TN_EXPECT(out->tensor.dtype.code == TN__DL_FLOAT && out->tensor.dtype.bits == 32);
    tn_buffer_release(t.buffer);
    TN_EXPECT(deleted == 0);
    out->deleter(out);
    TN_EXPECT(deleted == 1);
    tn_tensor hidden = {.dtype = TN_F32, .rank = 1, .dim = {4}, .stride = {1}};
    hidden.buffer = test_buffer(p, 16);
    TN_EXPECT(tn_tensor_to_dlpack(&hidden, (void **)&out) == TN_STATUS_UNSUPPORTED);
    tn_buffer_release(hidden.buffer);
    tn_device_release(d);
    tn_device_release(p);
    tn_runtime_release(rt);
}
