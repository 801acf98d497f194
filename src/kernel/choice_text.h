/* The text form of what contests have decided: lines of words, with what they hold for at the head and a checksum at
 * the end. docs/doctor.md describes it. */
#ifndef EW_KERNEL_CHOICE_TEXT_H
#define EW_KERNEL_CHOICE_TEXT_H

#include "kernel/contest.h"

/* For what a choice holds, and the choice. */
struct ew_choice_record {
    char processor[128]; /* model name; "" = not known */
    uint64_t features;   /* enum ew_cpu_feature bits that kernels may use */
    char date[32];       /* "2026-11-25 13:40 UTC"; "" = no contest yet */
    struct ew_kernel_choice choice;
    struct ew_kernel_figures figures; /* owned */
};

/* The caller's: free(). NULL = out of memory. */
char *ew_choice_text_write(const struct ew_choice_record *record);

/* Parses untrusted text into record's date, choice and figures, where it holds for record's processor and features and
 * for this build's kernels. On an error record is as before. Errors: FORMAT naming the line, UNSUPPORTED, MEMORY. */
enum ew_status ew_choice_text_read(struct ew_choice_record *record, const char *text, size_t n, struct ew_error *err);

#endif
