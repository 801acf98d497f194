/* Marks on runs and configurations: what stands apart, drifted, swapped. Nothing is corrected or left out by a mark;
 * rules and error rates are those of study/outliers.h and study/drift.h. */
#ifndef EW_INSIGHT_FLAGS_H
#define EW_INSIGHT_FLAGS_H

#include "insight/measure.h"

struct ew_insight;

enum ew_flag_kind {
    EW_FLAG_OUTLIER = 0, /* runs far from the median of their configuration */
    EW_FLAG_DRIFT,       /* a trend over the order of the runs */
    EW_FLAG_NEIGHBOURS,  /* runs resemble the one before: the interval is too narrow */
    EW_FLAG_SWAPPED,     /* memory went to or came from swap, or into zram */
    EW_FLAG_THROTTLED,   /* the machine slowed itself down */
    EW_FLAG_METER_LOST,  /* energy readings did not last to the end */
    EW_FLAG_STALLED,     /* all tasks waited for memory */
    EW_FLAG_LIMIT_HIT,   /* a control group met its memory limit */
    EW_FLAG_REREAD,      /* files that had been dropped for want of memory were read again */
    EW_FLAG_CROWDED,     /* other programs, or the hypervisor, took CPU time */
    EW_FLAG_PAGE_CACHE,  /* some runs began with the model in the page cache, others did not */
    EW_FLAGS
};
const char *ew_flag_key(enum ew_flag_kind kind); /* "outlier" */

struct ew_insight_flag {
    enum ew_flag_kind kind;
    enum ew_measure measure; /* the one most likely moved: of SWAPPED peak memory, of THROTTLED decode … */
    double size;             /* DRIFT: relative change over the study; NEIGHBOURS: r1; all others: runs */
    const char *text;        /* "decode: 1 run stands apart"; owned by the insight */
};
enum { EW_FLAGS_MOST = 20 };

/* Whether whole blocks of the study were slow or fast, whatever the configuration. */
struct ew_insight_block {
    bool differs;
    enum ew_measure measure;
    double p, largest; /* relative: -0.04 = 4 % less than the others */
    size_t block;      /* the repetition, from 0 */
};

/* Fills flags of configurations and runs, and insight->block. Errors: MEMORY, LIMIT. */
enum ew_status ew_flags_find(struct ew_insight *insight, struct ew_error *err);

#endif
