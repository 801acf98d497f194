/* What the power chip of a Raspberry Pi 5 answers to `pmic_read_adc`: lines such as
 *      VDD_CORE_A current(7)=5.03652000A
 *      VDD_CORE_V volt(15)=0.89369880V
 * Source: Raspberry Pi documentation, "vcgencmd pmic_read_adc"; captures of two boards. */
#ifndef EW_METER_PMIC_ANSWER_H
#define EW_METER_PMIC_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

enum { EW_PMIC_MAX_RAILS = 32, EW_PMIC_NAME_BYTES = 24 };

struct ew_pmic_rail {
    char name[EW_PMIC_NAME_BYTES];  /* "VDD_CORE", without _A and _V */
    double volts, amps;             /* NAN = not in the answer, said twice, or no such value can be */
    unsigned volts_said, amps_said; /* how often */
};

struct ew_pmic_answer {
    struct ew_pmic_rail rails[EW_PMIC_MAX_RAILS];
    size_t n;         /* in order of first appearance */
    size_t n_strange; /* lines that are not of this form */
};

/* Reads text, whatever it is. false = no line is of this form; *out is filled all the same. */
bool ew_pmic_parse(const char *text, struct ew_pmic_answer *out);

/* The rail of that name; NULL = not in the answer. */
const struct ew_pmic_rail *ew_pmic_find(const struct ew_pmic_answer *answer, const char *name);

/* volts x amperes; NAN where one is missing. rail may be NULL. */
double ew_pmic_power_w(const struct ew_pmic_rail *rail);

#endif
