/* SPDX-License-Identifier: Apache-2.0 */
/* Attention by groups of work-items: a group takes ROWS query rows of one head through the blocks of 128 keys, in the
 * order of docs/NUMERICS.md section 7: scores as a matmul through local memory, their integer maximum, weights, the
 * values' sums, the merge. Work-item (x, y) has rows y + 4 r, and of those keys x and x + 64, then columns x + 64 c;
 * the state of its rows is in its registers. SPLIT: a group takes one block and hands (M, l, o) over, and a second
 * phase merges them.
 * uses tn_k_attention_sequence_of g pg, tn_k_attention_limits g p p p, tn_k_attention_place_of g p,
 * tn_k_attention_scale g pg p, tn_k_attention_load g, tn_k_attention_from g pg, tn_k_attention_operand g pg,
 * tn_k_attention_base2 g p, tn_k_attention_pow2, tn_k_attention_round, tn_k_attention_store g,
 * tn_k_attention_tell g pg, c_p2, c_recip. */
enum { ITEMS = WIDE * HIGH, ITEM_ROWS = ROWS / HIGH, LANES = ITEMS / ROWS };
#define NONE  as_float(0xff800000u)
#define WRONG as_float(0x7fc00000)

/* The maximum so far and one more; a NaN stays. */
static float larger(float top, float n)
{
    return top != top || n != n ? WRONG : n > top ? n : top;
}

/* What a row is before it has seen any more keys. */
typedef struct state {
    bool begun, wrong;
    float m, l, o[COLUMNS];
} state;

/* A block that exists comes after those before it. */
static void merge(state *s, float top, float l, const float *o)
{
    s->wrong = s->wrong || top != top;
    const bool above = !s->begun || top > s->m;
    const float f = !s->begun ? 0.0f : tn_k_attention_pow2(above ? s->m - top : top - s->m);
    if (!s->begun)
        s->l = l;
    else
        s->l = above ? fma(s->l, f, l) : fma(l, f, s->l);
    for (int c = 0; c < COLUMNS; c++)
        if (!s->begun)
            s->o[c] = o[c];
        else
            s->o[c] = above ? fma(s->o[c], f, o[c]) : fma(o[c], f, s->o[c]);
    s->m = above ? top : s->m;
    s->begun = true;
}

TN_GROUP_KERNEL
{
    __local float left[DEEP][ROWS + 1], right[DEEP][BLOCK + 1], weight[ROWS][BLOCK], lane[ROWS][WIDE];
    __local float part[ITEMS], top[ROWS], key_scale[BLOCK], value_scale[BLOCK];
    __local long key_at[BLOCK], value_at[BLOCK];
    __local int there[BLOCK];
    __global const tn_k_attention_params *p = TN_PARAMS_HERE;
    __global float *triples = (__global float *)TN_SHARED_HERE;
    __global void *operand[] = {TN_OPERANDS};
    const uint x = TN_ITEM(0), y = TN_ITEM(1), me = y * WIDE + x;
    const long head = TN_GROUP(1) % p->heads, batch = TN_GROUP(1) / p->heads, kv = head / (p->heads / p->kv_heads);
    const long row0 = (long)TN_GROUP(0) * ROWS, blocks = TN_LAUNCH_HERE->number[NUMBER_BLOCKS], words = p->dv + 2;
    const tn_k_attention_sequence seq = tn_k_attention_sequence_of(p, operand, batch, head);
    const long last = min(row0 + ROWS, (long)p->queries) - 1;
    long low, high, ignored;
    state s[ITEM_ROWS];
    for (int r = 0; r < ITEM_ROWS; r++) {
        s[r].begun = seq.sink;
        s[r].wrong = seq.bad;
        s[r].m = seq.sink_m;
        s[r].l = seq.sink_l;
        for (int c = 0; c < COLUMNS; c++)
            s[r].o[c] = 0.0f;
    }
    if (!SPLIT || phase == 0) {
        tn_k_attention_limits(p, &seq, row0, &low, &ignored);
        tn_k_attention_limits(p, &seq, last, &ignored, &high);
        long border = (p->first_key + low) / BLOCK * BLOCK - p->first_key, end = high;
        if (SPLIT) {
            border = p->first_key / BLOCK * BLOCK - p->first_key + (long)TN_GROUP(2) * BLOCK;
            end = border + 1;
        }
        __global const uchar *q = tn_k_attention_from(p, operand, TN_K_ATT_Q, batch, head, row0);
        __global const uchar *k = tn_k_attention_from(p, operand, TN_K_ATT_K, 0, kv, 0);
        __global const uchar *v = tn_k_attention_from(p, operand, TN_K_ATT_V, 0, kv, 0);
        __global const uchar *mask = tn_k_attention_operand(p, operand, TN_K_ATT_MASK);
        const long q_row = p->stride[TN_K_ATT_Q][2], q_col = p->stride[TN_K_ATT_Q][3];
        const long k_col = p->stride[TN_K_ATT_K][3], v_col = p->stride[TN_K_ATT_V][3];
        for (; border < end; border += BLOCK) {
            TN_MEET; /* nobody reads the block before any more */
            for (int j = me; j < BLOCK; j += ITEMS) {
                const bool inside = border + j >= 0 && border + j < seq.keys;
                there[j] = 0;
                if (inside) {
                    const tn_k_attention_place at = tn_k_attention_place_of(p, &seq, border + j);
                    there[j] = at.there;
                    if (at.there) {
                        key_at[j] = at.outer * p->stride[TN_K_ATT_K][0] + at.row * p->stride[TN_K_ATT_K][2];
                        value_at[j] = at.outer * p->stride[TN_K_ATT_V][0] + at.row * p->stride[TN_K_ATT_V][2];
                        key_scale[j] = tn_k_attention_scale(p, operand, TN_K_ATT_K_SCALE, kv, &at);
                        value_scale[j] = tn_k_attention_scale(p, operand, TN_K_ATT_V_SCALE, kv, &at);
                    }
                }
            }
            float z[ITEM_ROWS][2];
            for (int r = 0; r < ITEM_ROWS; r++)
                z[r][0] = z[r][1] = 0.0f;
            for (long first = 0; first < p->d; first += BLOCK) { /* a chunk of the dot */
                float u[ITEM_ROWS][2];
                for (int r = 0; r < ITEM_ROWS; r++)
                    u[r][0] = u[r][1] = 0.0f;
                for (long step = first; step < first + BLOCK && step < p->d; step += DEEP) {
                    TN_MEET;
                    for (int i = me; i < ROWS * DEEP; i += ITEMS) {
                        const int e = i % DEEP, r = i / DEEP;
                        left[e][r] = row0 + r <= last && step + e < p->d ? tn_k_attention_load(Q_TYPE, q, r * q_row + (step + e) * q_col) : 0.0f;
                    }
                    for (int i = me; i < BLOCK * DEEP; i += ITEMS) {
                        const int e = i % DEEP, j = i / DEEP;
                        right[e][j] = there[j] != 0 && step + e < p->d ? tn_k_attention_load(K_TYPE, k, key_at[j] + (step + e) * k_col) * key_scale[j] : 0.0f;
                    }
                    TN_MEET;
                    for (int e = 0; e < DEEP; e++)
                        for (int r = 0; r < ITEM_ROWS; r++)
                            for (int c = 0; c < 2; c++)
                                u[r][c] = fma(left[e][y + r * HIGH], right[e][x + c * WIDE], u[r][c]);
                }
                for (int r = 0; r < ITEM_ROWS; r++)
                    for (int c = 0; c < 2; c++)
                        z[r][c] = z[r][c] + u[r][c];
            }
            TN_MEET; /* there[] also where d is 0 */
            for (int r = 0; r < ITEM_ROWS; r++) {
                const long i = row0 + y + r * HIGH;
                tn_k_attention_limits(p, &seq, i, &low, &high);
                for (int c = 0; c < 2; c++) {
                    const long j = border + x + c * WIDE;
                    const long at = batch * p->stride[TN_K_ATT_MASK][0] + head * p->stride[TN_K_ATT_MASK][1] +
                                    i * p->stride[TN_K_ATT_MASK][2] + j * p->stride[TN_K_ATT_MASK][3];
                    bool takes = i <= last && j >= low && j < high && there[x + c * WIDE] != 0;
                    if (takes && p->mask == TN_K_ATT_BOOL_MASK)
                        takes = mask[at] != 0;
                    float bias = 0.0f;
                    if (takes && p->mask == TN_K_ATT_ADD_MASK)
                        bias = ((__global const float *)mask)[at];
                    weight[y + r * HIGH][x + c * WIDE] = takes ? tn_k_attention_base2(p, &seq, i, j, z[r][c], bias) : NONE;
                }
            }
            TN_MEET;
            float most = NONE;
            for (int j = me % LANES; j < BLOCK; j += LANES)
                most = larger(most, weight[me / LANES][j] == NONE ? NONE : rint(weight[me / LANES][j]));
            part[me] = most;
            TN_MEET;
            if (me < ROWS) {
                for (int i = 0; i < LANES; i++)
                    most = larger(i == 0 ? NONE : most, part[me * LANES + i]);
                top[me] = most;
            }
            TN_MEET;
            for (int r = 0; r < ITEM_ROWS; r++) {
                const int row = y + r * HIGH;
                float w[2];
                for (int c = 0; c < 2; c++) {
                    const float t = weight[row][x + c * WIDE], n = rint(t);
                    const bool takes = t != NONE && top[row] == top[row];
                    w[c] = takes ? c_p2(t - n) * tn_k_attention_pow2(n - top[row]) : 0.0f;
                    weight[row][x + c * WIDE] = t != NONE ? tn_k_attention_round(V_TYPE, w[c]) : -1.0f;
                }
                lane[row][x] = w[0] + w[1];
            }
            for (uint h = WIDE / 2; h > 0; h /= 2) {
                TN_MEET;
                for (int r = 0; x < h && r < ITEM_ROWS; r++)
                    lane[y + r * HIGH][x] = lane[y + r * HIGH][x] + lane[y + r * HIGH][x + h];
            }
            TN_MEET;
            float o[ITEM_ROWS][COLUMNS];
            for (int r = 0; r < ITEM_ROWS; r++)
                for (int c = 0; c < COLUMNS; c++)
                    o[r][c] = 0.0f;
            for (int j = 0; j < BLOCK; j++) {
                if (there[j] == 0)
                    continue;
                for (int c = 0; c < COLUMNS; c++) {
                    const long e = x + c * WIDE;
                    const float u = e < p->dv ? tn_k_attention_load(V_TYPE, v, value_at[j] + e * v_col) * value_scale[j] : 0.0f;
                    for (int r = 0; r < ITEM_ROWS; r++) {
                        const float w = weight[y + r * HIGH][j];
                        o[r][c] = w < 0.0f ? o[r][c] : fma(w, u, o[r][c]);
                    }
                }
            }
            for (int r = 0; r < ITEM_ROWS; r++) {
                const int row = y + r * HIGH;
                for (int c = 0; c < COLUMNS; c++)
                    o[r][c] = 0.0f + o[r][c];
                if (!SPLIT && top[row] != NONE)
                    merge(&s[r], top[row], lane[row][0], o[r]);
                if (SPLIT && row0 + row <= last) {
                    __global float *to = triples + (((batch * p->heads + head) * p->queries + row0 + row) * blocks + TN_GROUP(2)) * words;
                    if (x == 0) {
                        to[0] = top[row];
                        to[1] = lane[row][0];
                    }
                    for (int c = 0; c < COLUMNS; c++)
                        if (x + c * WIDE < p->dv)
                            to[2 + x + c * WIDE] = o[r][c];
                }
            }
        }
        if (SPLIT)
            return;
    }
    for (int r = 0; r < ITEM_ROWS; r++) {
        const long i = row0 + y + r * HIGH;
        if (i > last)
            continue;
        for (long b = 0; SPLIT && b < blocks; b++) {
            __global const float *from = triples + (((batch * p->heads + head) * p->queries + i) * blocks + b) * words;
            float o[COLUMNS];
            for (int c = 0; c < COLUMNS; c++)
                o[c] = x + c * WIDE < p->dv ? from[2 + x + c * WIDE] : 0.0f;
            if (from[0] != NONE)
                merge(&s[r], from[0], from[1], o);
        }
        __global uchar *to = tn_k_attention_from(p, operand, TN_K_ATT_OUT, batch, head, i);
        const float f = c_recip(s[r].l);
        for (int c = 0; c < COLUMNS; c++)
            if (x + c * WIDE < p->dv)
                tn_k_attention_store(p->type[TN_K_ATT_OUT], to, (x + c * WIDE) * p->stride[TN_K_ATT_OUT][3],
                                     s[r].wrong ? WRONG : s[r].begun ? s[r].o[c] * f : 0.0f);
        if (x == 0)
            tn_k_attention_tell(p, operand, batch, head, i, s[r].wrong, s[r].begun ? s[r].m : 0.0f, s[r].begun ? s[r].l : 0.0f);
    }
}
