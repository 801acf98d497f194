/* Owns the two rules of descent and how their work is shared out: tensor by tensor, each to the member with the least
 * work so far, so that no sum is ever cut differently by the number of threads. */
#include "train/optimizer.h"

#include "base/error.h"
#include "train/newton_schulz.h"
#include <math.h>
#include <stdlib.h>

struct ew_optimizer_params ew_optimizer_default_params(void) {
    return (struct ew_optimizer_params){.muon = true,
                                        .rate = 3e-3f,
                                        .muon_rate = 6e-3f,
                                        .beta1 = 0.9f,
                                        .beta2 = 0.95f,
                                        .epsilon = 1e-8f,
                                        .momentum = 0.95f,
                                        .decay = 0.1f};
}

static size_t scratch_floats(const struct ew_net_shape *s) {
    size_t most = 0;
    for (size_t i = 0; i < ew_net_n_tensors(s); i++) {
        const struct ew_net_tensor t = ew_net_tensor_at(s, i);
        const size_t n = t.rows * t.columns + ew_newton_schulz_scratch(t.rows, t.columns);
        if (t.kind == EW_NET_MATRIX && n > most) most = n;
    }
    return most;
}

enum ew_status ew_optimizer_open(struct ew_optimizer *o, const struct ew_net_shape *shape,
                                 const struct ew_optimizer_params *params, uint32_t n_threads, struct ew_error *err) {
    const size_t n = ew_net_n_params(shape);
    *o = (struct ew_optimizer){
        .shape = *shape, .params = *params, .scratch_stride = scratch_floats(shape), .n_threads = n_threads};
    o->first = calloc(n, sizeof(float));
    o->second = calloc(n, sizeof(float));
    o->scratch = calloc(n_threads, o->scratch_stride * sizeof(float));
    if (o->first && o->second && o->scratch) return EW_OK;
    ew_optimizer_close(o);
    return ew_error_set(err, EW_ERR_MEMORY, "no memory for the moments of %zu parameters", n);
}

void ew_optimizer_close(struct ew_optimizer *o) {
    free(o->first);
    free(o->second);
    free(o->scratch);
    *o = (struct ew_optimizer){0};
}

struct step {
    const struct ew_optimizer *o;
    float *params;
    const float *gradients;
    float shrink, schedule;
};

static void adam_tensor(const struct step *s, const struct ew_net_tensor *t) {
    const struct ew_optimizer_params *p = &s->o->params;
    const double done = (double)s->o->step + 1;
    const float correct1 = (float)(1 / (1 - pow((double)p->beta1, done)));
    const float correct2 = (float)(1 / (1 - pow((double)p->beta2, done)));
    const float rate = p->rate * s->schedule, keep = t->kind == EW_NET_NORM ? 1 : 1 - rate * p->decay;
    float *w = s->params + t->offset, *m = s->o->first + t->offset, *v = s->o->second + t->offset;
    const float *gradient = s->gradients + t->offset;
#pragma omp simd
    for (size_t i = 0; i < t->rows * t->columns; i++) {
        const float g = gradient[i] * s->shrink;
        m[i] = p->beta1 * m[i] + (1 - p->beta1) * g;
        v[i] = p->beta2 * v[i] + (1 - p->beta2) * g * g;
        w[i] = keep * w[i] - rate * (m[i] * correct1) / (sqrtf(v[i] * correct2) + p->epsilon);
    }
}

static void muon_tensor(const struct step *s, const struct ew_net_tensor *t, float *scratch) {
    const struct ew_optimizer_params *p = &s->o->params;
    const size_t n = t->rows * t->columns, longer = t->rows > t->columns ? t->rows : t->columns;
    const float rate = p->muon_rate * s->schedule, factor = rate * 0.2f * sqrtf((float)longer);
    float *w = s->params + t->offset, *m = s->o->first + t->offset, *direction = scratch;
    const float *gradient = s->gradients + t->offset;
    for (size_t i = 0; i < n; i++) {
        const float g = gradient[i] * s->shrink;
        m[i] = p->momentum * m[i] + g;
        direction[i] = g + p->momentum * m[i];
    }
    ew_newton_schulz(t->rows, t->columns, direction, scratch + n);
    for (size_t i = 0; i < n; i++) w[i] = (1 - rate * p->decay) * w[i] - factor * direction[i];
}

/* Operations for a tensor: of Newton and Schulz's five rounds per element, or some for AdamW. */
static double work_of(const struct ew_net_tensor *t, bool muon) {
    const size_t side = t->rows < t->columns ? t->rows : t->columns;
    const double n = (double)t->rows * (double)t->columns;
    return muon ? n * 2 * EW_NEWTON_SCHULZ_STEPS * 3 * (double)side : n * 100;
}

void ew_optimizer_step(struct ew_optimizer *o, const struct ew_pool_member *me, float *params, const float *gradients,
                       float shrink, float schedule) {
    const struct step s = {o, params, gradients, shrink, schedule};
    double loads[64] = {0};
    const uint32_t members = me->count < 64 ? me->count : 64;
    for (size_t i = 0; i < ew_net_n_tensors(&o->shape); i++) {
        const struct ew_net_tensor t = ew_net_tensor_at(&o->shape, i);
        const bool muon = o->params.muon && t.kind == EW_NET_MATRIX;
        uint32_t least = 0;
        for (uint32_t j = 1; j < members; j++)
            if (loads[j] < loads[least]) least = j;
        loads[least] += work_of(&t, muon);
        if (least != me->index) continue;
        if (muon)
            muon_tensor(&s, &t, o->scratch + me->index * o->scratch_stride);
        else
            adam_tensor(&s, &t);
    }
    ew_pool_barrier(me);
    if (me->index == 0) o->step++;
}

float ew_schedule_at(uint64_t step, uint64_t n_steps, uint64_t warmup, double decay) {
    const double rising = warmup > 0 ? (double)(step + 1) / (double)warmup : 1;
    const double falling = decay > 0 ? (double)(n_steps - step) / (decay * (double)n_steps) : 1;
    const double least = rising < falling ? rising : falling;
    return (float)(least < 1 ? least : 1);
}
