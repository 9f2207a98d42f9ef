/* SPDX-License-Identifier: Apache-2.0 */
/* The peer libraries of the bench: modules beside the command, loaded once, and what is missing. */
#include "tool.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include <bench/peers/peer.h>

/* Every peer with an adapter, and what makes it be there; a new build then finds it. */
static const struct {
    const char *name, *install;
} known[] = {
    {"openblas", "apt-get install libopenblas-pthread-dev"},
    {"blis", "apt-get install libblis-pthread-dev"},
    {"libxsmm", "apt-get install libxsmm-dev"},
    {"onednn", "./run --setup (the wheels onednn-cpu-gomp and onednn-devel-cpu-gomp)"},
    {"mkl", ".venv/bin/python -m pip install mkl mkl-include"},
    {"onnxruntime", ".venv/bin/python -m pip install onnxruntime"},
    {"ggml", ".venv/bin/python -m pip install libggml-python"},
    {"xnnpack", "apt-get install libxnnpack-dev libpthreadpool-dev"},
};

uint32_t tool_peers(const tn_peer **out, uint32_t room)
{
    glob_t found = {0};
    char folder[512], pattern[600];
    uint32_t count = 0;
    if (!tool_folder(folder, sizeof folder))
        return 0;
    snprintf(pattern, sizeof pattern, "%s/peers/peer_*.so", folder);
    if (glob(pattern, 0, NULL, &found) != 0)
        found.gl_pathc = 0;
    for (size_t i = 0; i < found.gl_pathc; ++i) {
        /* They stay loaded: OpenMP runtimes do not survive dlclose. */
        void *h = dlopen(found.gl_pathv[i], RTLD_NOW | RTLD_LOCAL);
        const tn_peer *(*get)(uint32_t) = NULL, *one;
        if (h == NULL) {
            fprintf(stderr, "tenon bench: %s\n", dlerror());
            continue;
        }
        *(void **)(&get) = dlsym(h, "tn_peer_get");
        for (uint32_t e = 0; get != NULL && (one = get(e)) != NULL && count < room; ++e)
            if (one->abi == TN_PEER_ABI)
                out[count++] = one;
    }
    globfree(&found);
    return count;
}

bool tool_peer_wanted(const char *vs, const char *name)
{
    if (strcmp(vs, "all") == 0)
        return true;
    size_t n = strlen(name);
    for (const char *at = vs; (at = strstr(at, name)) != NULL; at += n)
        if ((at == vs || at[-1] == ',') && (at[n] == '\0' || at[n] == ','))
            return true;
    return false;
}

void tool_peers_missing(cJSON *out)
{
    const tn_peer *peer[TOOL_PEERS];
    uint32_t count = tool_peers(peer, TOOL_PEERS);
    for (size_t k = 0; k < sizeof known / sizeof known[0]; ++k) {
        bool here = false;
        for (uint32_t i = 0; i < count; ++i)
            here = here || strcmp(peer[i]->name, known[k].name) == 0;
        if (here)
            continue;
        printf("the peer %s is not here: %s, then ./run --setup --peers\n", known[k].name,
               known[k].install);
        cJSON_AddItemToArray(out, cJSON_CreateString(known[k].name));
    }
}

static const tn_tensor *operand(const tn_op *op, uint32_t role, void *const *data, void **out)
{
    for (uint32_t i = 0; i < op->arg_count; ++i)
        if (op->args[i].role == role) {
            *out = data[i];
            return &op->args[i].tensor;
        }
    return NULL;
}

/* Row-major without gaps: what peers take. */
static bool dense(const tn_tensor *t)
{
    int64_t step = 1;
    for (int d = t->rank - 1; d >= 0; --d) {
        if (t->dim[d] != 1 && t->stride[d] != step)
            return false;
        step *= t->dim[d];
    }
    return true;
}

static void *prepare_matmul(const tn_peer *peer, const tn_op *op, void *const *data)
{
    void *a = NULL, *b = NULL, *c = NULL;
    const tn_tensor *ta = operand(op, TN_ARG_A, data, &a), *tb = operand(op, TN_ARG_B, data, &b);
    const tn_tensor *tc = operand(op, TN_ARG_OUT, data, &c);
    const tn_matmul *attr = op->attr;
    uint32_t flags = attr != NULL ? attr->flags : 0;
    if (peer->prepare == NULL || ta == NULL || tb == NULL || tc == NULL || op->arg_count != 3 ||
        (flags & ~(uint32_t)TN_MATMUL_TRANSPOSE_B) != 0 || ta->rank != tb->rank ||
        ta->dtype != TN_F32 || tb->dtype != TN_F32 || tc->dtype != TN_F32)
        return NULL;
    int r = tc->rank;
    tn_peer_matmul p = {.m = tc->dim[r - 2], .n = tc->dim[r - 1], .k = ta->dim[r - 1], .batch = 1};
    p.nt = (flags & TN_MATMUL_TRANSPOSE_B) != 0;
    p.a = a, p.b = b, p.c = c;
    for (int d = 0; d < r - 2; ++d) {
        if (ta->dim[d] != tb->dim[d])
            return NULL;
        p.batch *= tc->dim[d];
    }
    return peer->prepare(&p);
}

static void *prepare_conv(const tn_peer *peer, const tn_op *op, void *const *data)
{
    void *a = NULL, *b = NULL, *c = NULL;
    const tn_tensor *ta = operand(op, TN_ARG_A, data, &a), *tb = operand(op, TN_ARG_B, data, &b);
    const tn_tensor *tc = operand(op, TN_ARG_OUT, data, &c);
    const tn_conv *t = op->attr;
    if (peer->prepare_conv == NULL || ta == NULL || tb == NULL || tc == NULL ||
        op->arg_count != 3 || ta->rank != 4 || t->pass != TN_PASS_FORWARD ||
        (t->flags & TN_CONV_TRANSPOSED) != 0 || ta->dtype != TN_F32 || tb->dtype != TN_F32 ||
        tc->dtype != TN_F32)
        return NULL;
    bool last = (t->flags & TN_CONV_CHANNELS_LAST) != 0;
    int s = last ? 1 : 2, ch = last ? 3 : 1;
    tn_peer_conv p = {.n = ta->dim[0], .channels = ta->dim[ch], .h = ta->dim[s]};
    p.w = ta->dim[s + 1], p.filters = tc->dim[ch];
    p.kh = tb->dim[s], p.kw = tb->dim[s + 1], p.groups = t->groups == 0 ? 1 : t->groups;
    p.oh = tc->dim[s], p.ow = tc->dim[s + 1], p.last = last;
    p.a = a, p.b = b, p.c = c;
    for (int d = 0; d < 2; ++d) {
        p.stride[d] = t->stride[d] == 0 ? 1 : t->stride[d];
        p.dilation[d] = t->dilation[d] == 0 ? 1 : t->dilation[d];
        p.lo[d] = t->pad_lo[d], p.hi[d] = t->pad_hi[d];
    }
    return peer->prepare_conv(&p);
}

void *tool_peer_prepare(const tn_peer *peer, const tn_op *op, void *const *data)
{
    for (uint32_t i = 0; i < op->arg_count; ++i)
        if (!dense(&op->args[i].tensor))
            return NULL;
    if (op->post_count != 0)
        return NULL;
    void *matmul = op->kind == TN_OP_MATMUL ? prepare_matmul(peer, op, data) : NULL;
    if (matmul != NULL)
        return matmul;
    if (op->kind == TN_OP_CONV)
        return prepare_conv(peer, op, data);
    tn_peer_op p = {op, data};
    return peer->prepare_op != NULL ? peer->prepare_op(&p) : NULL;
}
