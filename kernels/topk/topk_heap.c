/* SPDX-License-Identifier: Apache-2.0 */
/* topk by a heap of the k first elements so far, the last of them at its root; then a heap sort. */
#include <kernels/topk/topk.h>

enum { MOST = 1 << 20 };

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    if (((const tn_k_topk_params *)params)->k > MOST)
        return tn_k_refuse(why, "topk.k", "attr.param", "keeps at most 2^20 elements a row");
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_topk_params *p = params;
    tn_k_launch_items(out, caps, tn_k_grid_count(&p->rows), (uint64_t)p->extent * 16);
    out->worker_bytes = ((uint64_t)p->k * sizeof(tn_k_topk_item) + 63) & ~(uint64_t)63;
}

/* `x` enters at `at`; what comes later in order is nearer to the root. */
static void sink(tn_k_topk_item *heap, int64_t count, int64_t at, tn_k_topk_item x)
{
    for (int64_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && tn_k_topk_before(heap[child], heap[child + 1]))
            child++;
        if (!tn_k_topk_before(x, heap[child]))
            break;
        heap[at] = heap[child];
    }
    heap[at] = x;
}

/* Where the next element is, from i on, that may come before one of value `last`: those of f32 in a
 * row are looked at side by side, whole runs at a time. */
static int64_t next_of(const tn_k_topk_params *p, const float *x, int64_t i, float last)
{
    enum { RUN = 16, LANES = 4 };
    typedef float lanes __attribute__((vector_size(16)));
    typedef int32_t masks __attribute__((vector_size(16)));
    for (; i + RUN <= p->extent; i += RUN) {
        masks behind = {-1, -1, -1, -1}; /* no NaN is, and no zero of either sign */
#pragma GCC unroll 4
        for (int j = 0; j < RUN; j += LANES) {
            lanes y;
            memcpy(&y, x + i + j, sizeof y);
            behind &= p->smallest ? y > last : y < last;
        }
        uint64_t half[2];
        memcpy(half, &behind, sizeof half);
        if ((half[0] & half[1]) != UINT64_MAX)
            break;
    }
    return i;
}

static void row(const tn_k_topk_params *p, void *const *operand, int64_t r, tn_k_topk_item *heap)
{
    int64_t from = tn_k_grid_offset(&p->rows, 0, r), k = p->k;
    for (int64_t i = 0; i < k; i++)
        heap[i] = (tn_k_topk_item){tn_k_topk_key(p, operand[0], from + i * p->stride[0]), i};
    for (int64_t i = k / 2; i-- > 0;)
        sink(heap, k, i, heap[i]);
    const float *side_by_side = NULL;
    if (p->dtype == TN_F32 && p->stride[0] == 1 && k > 0)
        side_by_side = (const float *)operand[0] + from;
    for (int64_t i = k, seen = k; i < p->extent; i++) {
        if (side_by_side != NULL && i == seen) {
            i = next_of(p, side_by_side, i, side_by_side[heap[0].index]);
            seen = i + 16;
            if (i >= p->extent)
                break;
        }
        int64_t key = tn_k_topk_key(p, operand[0], from + i * p->stride[0]);
        if (key > heap[0].key) /* an equal one has the higher index */
            sink(heap, k, 0, (tn_k_topk_item){key, i});
    }
    for (int64_t place = k; place-- > 0;) {
        tn_k_topk_put(p, operand, r, place, heap[0].index);
        sink(heap, place, 0, heap[place]);
    }
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)phase;
    const tn_k_topk_params *p = params;
    int64_t rows = tn_k_grid_count(&p->rows), end = tn_k_task_first(rows, launch->tasks[0], last);
    for (int64_t r = tn_k_task_first(rows, launch->tasks[0], first); r < end; r++)
        row(p, operand, r, worker_scratch);
}

extern const tn_k_variant tn_k_topk_heap;
const tn_k_variant tn_k_topk_heap = {
    .name = "topk_heap",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
