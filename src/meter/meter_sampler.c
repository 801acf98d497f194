/* Owns the sampling thread and the buffers it fills. Nothing but meters is read in it, so that its own cost stays small
 * and can be stated. Integration over the traces is in integrate.h. */
#include "meter/meter_sampler.h"
#include "base/error.h"
#include "meter/driver.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, FIRST_CAPACITY = 256, MIN_PERIOD_NS = 100000, MAX_NAP_NS = 50000000 };

struct track {
    struct ew_meter *meter;
    struct ew_meter_trace trace; /* its pointers are times and values below */
    int64_t *times_ns;
    double *values;
    size_t capacity;
    int64_t period_ns;
    int64_t due_ns;
    double *batch_values; /* [BATCH][n_channels] */
};

struct ew_meter_sampler {
    struct track *tracks;
    size_t n;
    struct ew_meter_clock clock;
    pthread_t thread;
    bool running;
    atomic_bool stopping;
    int64_t end_ns;       /* what the readings must reach; INT64_MIN = the moment of the stop */
    pthread_mutex_t lock; /* guards the tracks while the thread runs */
    pthread_cond_t wake;
    struct ew_sampler_cost cost;
};

static int64_t now_ns(const struct ew_meter_sampler *s) { return s->clock.now_ns(s->clock.context); }

static int64_t thread_cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool open_track(struct track *t, struct ew_meter *meter) {
    t->meter = meter;
    t->trace.info = ew_meter_info(meter);
    t->trace.n_channels = t->trace.info->n_channels;
    double period_ns = t->trace.info->period_s * 1e9;
    t->period_ns = period_ns > MIN_PERIOD_NS && period_ns < 3.6e12 ? (int64_t)period_ns : MIN_PERIOD_NS;
    t->batch_values = calloc(BATCH * t->trace.n_channels, sizeof *t->batch_values);
    return t->batch_values != NULL;
}

enum ew_status ew_meter_sampler_open(struct ew_meter *const *meters, size_t n, const struct ew_meter_config *config,
                                     struct ew_meter_sampler **out, struct ew_error *err) {
    if (n == 0) return ew_error_set(err, EW_ERR_ARGUMENT, "sampler: no meters");
    for (size_t i = 0; i < n; i++) {
        const struct ew_meter_info *info = ew_meter_info(meters[i]);
        if (info->reason != EW_METER_USABLE || info->n_channels == 0)
            return ew_error_set(err, EW_ERR_ARGUMENT, "sampler: meter %s is not usable: %s", info->name,
                                info->reason_text);
    }
    struct ew_meter_sampler *s = calloc(1, sizeof *s);
    if (!s) return ew_error_set(err, EW_ERR_MEMORY, "sampler: out of memory");
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    s->clock = ew_meter_clock_of(config);
    s->tracks = calloc(n, sizeof *s->tracks);
    s->n = s->tracks ? n : 0;
    bool ok = s->tracks != NULL;
    for (size_t i = 0; ok && i < n; i++) ok = open_track(&s->tracks[i], meters[i]);
    if (!ok) {
        ew_meter_sampler_close(&s);
        return ew_error_set(err, EW_ERR_MEMORY, "sampler: out of memory");
    }
    *out = s;
    return EW_OK;
}

void ew_meter_sampler_close(struct ew_meter_sampler **sampler) {
    if (!sampler || !*sampler) return;
    struct ew_meter_sampler *s = *sampler;
    ew_meter_sampler_stop(s);
    for (size_t i = 0; i < s->n; i++) {
        free(s->tracks[i].times_ns);
        free(s->tracks[i].values);
        free(s->tracks[i].batch_values);
    }
    free(s->tracks);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
    *sampler = NULL;
}

static bool grow(struct track *t, size_t more) {
    if (t->trace.n + more <= t->capacity) return true;
    size_t capacity = t->capacity ? 2 * t->capacity : FIRST_CAPACITY;
    while (capacity < t->trace.n + more) capacity *= 2;
    int64_t *times = realloc(t->times_ns, capacity * sizeof *times);
    if (times) t->trace.times_ns = t->times_ns = times;
    double *values = realloc(t->values, capacity * t->trace.n_channels * sizeof *values);
    if (values) t->trace.values = t->values = values;
    if (!times || !values) return false;
    t->capacity = capacity;
    return true;
}

static void note_error(struct track *t, const struct ew_error *e) {
    t->trace.failed++;
    t->trace.ended = e->status == EW_ERR_NOT_FOUND || e->status == EW_ERR_MEMORY;
    ew_meter_text(t->trace.error, sizeof t->trace.error, "%s", e->message);
}

/* Keeps samples whose stamps rise; a meter's stamp is never trusted to be in order. */
static void append(struct track *t, const int64_t *times, size_t n) {
    size_t width = t->trace.n_channels;
    for (size_t i = 0; i < n; i++) {
        if (t->trace.n > 0 && times[i] <= t->times_ns[t->trace.n - 1]) continue;
        t->times_ns[t->trace.n] = times[i];
        memcpy(t->values + t->trace.n * width, t->batch_values + i * width, width * sizeof(double));
        t->trace.n++;
    }
}

/* Reads outside the lock, as a sensor may take milliseconds, and appends under it. */
static void sample(struct ew_meter_sampler *s, struct track *t) {
    if (t->trace.ended) return;
    int64_t times[BATCH];
    size_t n = 0;
    do {
        struct ew_error e = {0};
        enum ew_status status = ew_meter_read(t->meter, times, t->batch_values, BATCH, &n, &e);
        s->cost.reads++;
        pthread_mutex_lock(&s->lock);
        if (status != EW_OK) {
            note_error(t, &e);
            n = 0;
        } else if (!grow(t, n)) {
            ew_error_set(&e, EW_ERR_MEMORY, "sampler: out of memory after %zu samples", t->trace.n);
            note_error(t, &e);
            n = 0;
        } else {
            append(t, times, n);
        }
        pthread_mutex_unlock(&s->lock);
    } while (n == BATCH);
}

/* Samples what is due and returns when the next is. A late sampler skips the periods it missed, and counts them. */
static int64_t sample_due(struct ew_meter_sampler *s) {
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < s->n; i++) {
        struct track *t = &s->tracks[i];
        if (t->trace.ended) continue;
        if (t->due_ns <= now_ns(s)) {
            sample(s, t);
            int64_t late = now_ns(s) - t->due_ns;
            int64_t skipped = late / t->period_ns;
            t->trace.missed += (uint64_t)skipped;
            t->due_ns += (skipped + 1) * t->period_ns;
        }
        if (!t->trace.ended && t->due_ns < next) next = t->due_ns;
    }
    return next;
}

static void wait_real(struct ew_meter_sampler *s, int64_t due_ns) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t left = due_ns - now_ns(s);
    if (left <= 0) return;
    if (left > 1000000000) left = 1000000000;
    int64_t ns = until.tv_nsec + left;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&s->lock);
    while (!atomic_load(&s->stopping))
        if (pthread_cond_timedwait(&s->wake, &s->lock, &until) != 0) break;
    pthread_mutex_unlock(&s->lock);
}

/* Readings that arrive late (a log which another program writes, a plug that is asked once a second) are waited for
 * until they reach the end. These meters are not waited for in ew_meter_sampler_finish, or it would be done twice. */
static void catch_up(struct ew_meter_sampler *s, struct track *t, int64_t end_ns) {
    double late_s = ew_meter_late_s(t->meter);
    int64_t limit = end_ns + (int64_t)(late_s * 1e9), nap = t->period_ns < MAX_NAP_NS ? t->period_ns : MAX_NAP_NS;
    bool reached = late_s <= 0;
    for (;;) {
        reached = reached || t->trace.ended || (t->trace.n > 0 && t->times_ns[t->trace.n - 1] >= end_ns);
        if (reached || now_ns(s) >= limit) break;
        s->clock.sleep_until_ns(s->clock.context, now_ns(s) + nap);
        sample(s, t);
    }
    if (!reached)
        ew_meter_text(t->trace.error, sizeof t->trace.error,
                      "its readings had not reached the end %.3g s after it: the meter, or what writes for it, is late "
                      "or has stopped",
                      late_s);
}

static void sample_last(struct ew_meter_sampler *s) {
    int64_t end_ns = s->end_ns == INT64_MIN ? now_ns(s) : s->end_ns;
    for (size_t i = 0; i < s->n; i++) sample(s, &s->tracks[i]);
    for (size_t i = 0; i < s->n; i++) catch_up(s, &s->tracks[i], end_ns);
}

static void *thread_main(void *argument) {
    struct ew_meter_sampler *s = argument;
    int64_t cpu0 = thread_cpu_ns(), wall0 = now_ns(s);
    while (!atomic_load(&s->stopping)) wait_real(s, sample_due(s));
    sample_last(s);
    s->cost.cpu_ns = thread_cpu_ns() - cpu0;
    s->cost.wall_ns = now_ns(s) - wall0;
    return NULL;
}

static void stop_meters(struct ew_meter_sampler *s, size_t n) {
    for (size_t i = 0; i < n; i++) ew_meter_stop(s->tracks[i].meter);
}

static enum ew_status begin(struct ew_meter_sampler *s, struct ew_error *err) {
    s->cost = (struct ew_sampler_cost){0};
    s->end_ns = INT64_MIN;
    for (size_t i = 0; i < s->n; i++) {
        struct track *t = &s->tracks[i];
        t->trace.n = 0;
        t->trace.missed = t->trace.failed = 0;
        t->trace.ended = false;
        t->trace.error[0] = 0;
        enum ew_status status = ew_meter_start(t->meter, err);
        if (status != EW_OK) {
            stop_meters(s, i);
            return status;
        }
    }
    for (size_t i = 0; i < s->n; i++) s->tracks[i].due_ns = now_ns(s);
    sample_due(s);
    return EW_OK;
}

enum ew_status ew_meter_sampler_start(struct ew_meter_sampler *s, struct ew_error *err) {
    if (s->running) return ew_error_set(err, EW_ERR_ARGUMENT, "sampler: already started");
    enum ew_status status = begin(s, err);
    if (status != EW_OK) return status;
    atomic_store(&s->stopping, false);
    int e = pthread_create(&s->thread, NULL, thread_main, s);
    if (e) {
        stop_meters(s, s->n);
        return ew_error_errno(err, EW_ERR_MEMORY, e, "sampler: cannot start its thread");
    }
    s->running = true;
    return EW_OK;
}

void ew_meter_sampler_stop(struct ew_meter_sampler *s) {
    if (!s->running) return;
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->stopping, true);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    s->running = false;
    stop_meters(s, s->n);
}

/* How long a meter that is never late is still heard: until it has spoken once more, within reason. */
static double tail_s(const struct track *t) {
    static const double periods = 2.5, longest_s = 6;
    const struct ew_meter_info *info = t->trace.info;
    if (info->quantity != EW_METER_ENERGY || ew_meter_late_s(t->meter) > 0) return 0;
    return fmin(periods * fmax(info->period_s, info->averaging_s), longest_s);
}

/* What a late meter says of the end may be the mean of a while after it. */
static int64_t averaged_end(const struct ew_meter_sampler *s, int64_t end_ns) {
    double most_s = 0;
    for (size_t i = 0; i < s->n; i++)
        if (ew_meter_late_s(s->tracks[i].meter) > 0) most_s = fmax(most_s, s->tracks[i].trace.info->averaging_s);
    return end_ns + (int64_t)(fmin(most_s, 60) * 1e9);
}

void ew_meter_sampler_finish(struct ew_meter_sampler *s, int64_t end_ns) {
    if (!s->running) return;
    double longest_s = 0;
    for (size_t i = 0; i < s->n; i++) longest_s = fmax(longest_s, tail_s(&s->tracks[i]));
    s->clock.sleep_until_ns(s->clock.context, end_ns + (int64_t)(longest_s * 1e9));
    s->end_ns = averaged_end(s, end_ns); /* read by the thread after `stopping` only */
    ew_meter_sampler_stop(s);
}

enum ew_status ew_meter_sampler_run(struct ew_meter_sampler *s, int64_t end_ns, struct ew_error *err) {
    if (s->running) return ew_error_set(err, EW_ERR_ARGUMENT, "sampler: already started");
    enum ew_status status = begin(s, err);
    if (status != EW_OK) return status;
    int64_t cpu0 = thread_cpu_ns(), wall0 = now_ns(s);
    while (now_ns(s) < end_ns) {
        int64_t next = sample_due(s);
        s->clock.sleep_until_ns(s->clock.context, next < end_ns ? next : end_ns);
    }
    sample_last(s);
    s->cost.cpu_ns = thread_cpu_ns() - cpu0;
    s->cost.wall_ns = now_ns(s) - wall0;
    stop_meters(s, s->n);
    return EW_OK;
}

bool ew_meter_sampler_latest(struct ew_meter_sampler *s, size_t i, int64_t *time_ns, double *values) {
    if (i >= s->n) return false;
    struct track *t = &s->tracks[i];
    pthread_mutex_lock(&s->lock);
    bool any = t->trace.n > 0;
    if (any) {
        size_t last = t->trace.n - 1;
        *time_ns = t->times_ns[last];
        memcpy(values, t->values + last * t->trace.n_channels, t->trace.n_channels * sizeof *values);
    }
    pthread_mutex_unlock(&s->lock);
    return any;
}

size_t ew_meter_sampler_copy(struct ew_meter_sampler *s, size_t i, size_t first, int64_t *times_ns, double *values,
                             size_t capacity) {
    if (i >= s->n) return 0;
    struct track *t = &s->tracks[i];
    size_t width = t->trace.n_channels;
    pthread_mutex_lock(&s->lock);
    size_t n = first < t->trace.n ? t->trace.n - first : 0;
    if (n > capacity) n = capacity;
    if (n > 0) {
        memcpy(times_ns, t->times_ns + first, n * sizeof *times_ns);
        memcpy(values, t->values + first * width, n * width * sizeof *values);
    }
    pthread_mutex_unlock(&s->lock);
    return n;
}

const struct ew_meter_trace *ew_meter_sampler_trace(const struct ew_meter_sampler *s, size_t i) {
    return i < s->n ? &s->tracks[i].trace : NULL;
}

struct ew_sampler_cost ew_meter_sampler_cost(const struct ew_meter_sampler *s) {
    return s->cost;
}
