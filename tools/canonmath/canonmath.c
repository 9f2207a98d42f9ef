/* SPDX-License-Identifier: Apache-2.0 */
/* Sweeps all 2^32 inputs of each canonical function against float64 and prints the largest error
 * and where it is: canonmath [FUNCTION...]. Two threads. */
#include "canonmath_ref.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

enum { BLOCK = 4096, THREADS = 2 };

typedef void (*sweep_fn)(uint32_t first, double *error);

/* Errors of BLOCK inputs; constant functions are inlined and the loop becomes vectors. */
TN_REF_FN void sweep(float (*f)(float), double (*ref)(double), uint32_t first, double *error)
{
    for (uint32_t i = 0; i < BLOCK; i++) {
        float x = tn_c_float(first + i);
        error[i] = ulp_error(f(x), ref((double)x));
    }
}

static void sweep_exp(uint32_t first, double *error)
{
    sweep(c_exp, ref_exp, first, error);
}

static void sweep_exp2(uint32_t first, double *error)
{
    sweep(c_exp2, ref_exp2, first, error);
}

static void sweep_log(uint32_t first, double *error)
{
    sweep(c_log, ref_log, first, error);
}

static void sweep_recip(uint32_t first, double *error)
{
    sweep(c_recip_seq, ref_recip, first, error);
}

static void sweep_rsqrt(uint32_t first, double *error)
{
    sweep(c_rsqrt, ref_rsqrt, first, error);
}

static void sweep_sqrt(uint32_t first, double *error)
{
    sweep(c_sqrt_seq, ref_sqrt, first, error);
}

static void sweep_tanh(uint32_t first, double *error)
{
    sweep(c_tanh, ref_tanh, first, error);
}

static void sweep_sigmoid(uint32_t first, double *error)
{
    sweep(c_sigmoid, ref_sigmoid, first, error);
}

static void sweep_erf(uint32_t first, double *error)
{
    sweep(c_erf, ref_erf, first, error);
}

static void sweep_silu(uint32_t first, double *error)
{
    sweep(c_silu, ref_silu, first, error);
}

static void sweep_gelu_tanh(uint32_t first, double *error)
{
    sweep(c_gelu_tanh, ref_gelu_tanh, first, error);
}

static void sweep_gelu(uint32_t first, double *error)
{
    sweep(c_gelu, ref_gelu, first, error);
}

static void sweep_sin(uint32_t first, double *error)
{
    sweep(c_sin, ref_sin, first, error);
}

static void sweep_cos(uint32_t first, double *error)
{
    sweep(c_cos, ref_cos, first, error);
}

static void sweep_fast_gelu(uint32_t first, double *error)
{
    sweep(tn_f_gelu, ref_gelu, first, error);
}

static void sweep_fast_tanh(uint32_t first, double *error)
{
    sweep(tn_f_tanh, ref_tanh, first, error);
}

static const struct {
    const char *name;
    sweep_fn fn;
} sweeps[TN_CANONMATH_ROWS] = {
    {"exp", sweep_exp},
    {"exp2", sweep_exp2},
    {"log", sweep_log},
    {"recip", sweep_recip},
    {"rsqrt", sweep_rsqrt},
    {"sqrt", sweep_sqrt},
    {"tanh", sweep_tanh},
    {"sigmoid", sweep_sigmoid},
    {"erf", sweep_erf},
    {"silu", sweep_silu},
    {"gelu_tanh", sweep_gelu_tanh},
    {"gelu", sweep_gelu},
    {"sin", sweep_sin},
    {"cos", sweep_cos},
    {"fast_gelu", sweep_fast_gelu},
    {"fast_tanh", sweep_fast_tanh},
};

typedef struct job {
    int row;
    uint32_t half, bad;
    double worst;
    uint32_t at;
} job;

static void *work(void *self)
{
    job *j = self;
    double error[BLOCK], limit = tn_canonmath_rows[j->row].limit;
    double declared = tn_canonmath_rows[j->row].declared;
    for (uint64_t u = (uint64_t)j->half << 31; u < ((uint64_t)j->half + 1) << 31; u += BLOCK) {
        sweeps[j->row].fn((uint32_t)u, error);
        for (uint32_t i = 0; i < BLOCK; i++) {
            uint32_t bits = (uint32_t)u + i;
            double size = fabs((double)tn_c_float(bits));
            if (!(size <= limit) || error[i] <= j->worst)
                continue;
            j->worst = error[i];
            j->at = bits;
            j->bad += error[i] > declared + 0.0005;
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int wrong = 0;
    for (int r = 0; r < TN_CANONMATH_ROWS; r++) {
        int wanted = argc < 2;
        for (int a = 1; a < argc; a++)
            wanted |= strcmp(argv[a], sweeps[r].name) == 0;
        if (!wanted)
            continue;
        job jobs[THREADS] = {{.row = r, .half = 0}, {.row = r, .half = 1}};
        pthread_t other;
        int second = pthread_create(&other, NULL, work, &jobs[1]) == 0;
        work(&jobs[0]);
        if (second)
            pthread_join(other, NULL);
        else
            work(&jobs[1]);
        const job *w = jobs[1].worst > jobs[0].worst ? &jobs[1] : &jobs[0];
        printf("%-10s %.4f ulp at %a (0x%08" PRIx32 "), declared %.4f: %s\n", sweeps[r].name,
               w->worst, (double)tn_c_float(w->at), w->at, tn_canonmath_rows[r].declared,
               jobs[0].bad + jobs[1].bad ? "ABOVE" : "within");
        fflush(stdout);
        wrong |= jobs[0].bad + jobs[1].bad != 0;
    }
    return wrong;
}
