/* Numbers as people write them in study files and options: "30 s", "2 min", "2 %", "1.5 h". */
#ifndef EW_STUDY_STUDY_VALUE_H
#define EW_STUDY_STUDY_VALUE_H

#include <stdbool.h>
#include <stdint.h>

/* A whole decimal number, nothing around it; '_' may group digits. */
bool ew_value_parse_int(const char *text, int64_t *out);
/* A number with a unit ms, s, min or h. "0" alone is fine too; any other number needs its unit. */
bool ew_value_parse_duration(const char *text, double *seconds);
/* A number with %: "2 %" is 0.02. */
bool ew_value_parse_percent(const char *text, double *fraction);

/* A number with B, KiB, MiB, GiB, TiB, KB, MB, GB or TB: "1.5 GiB", "512MB". */
bool ew_value_parse_size(const char *text, double *bytes);

/* A number with J, kJ, MJ, mWh, Wh or kWh, in joules. */
bool ew_value_parse_energy(const char *text, double *joules);
/* A number with kHz, MHz or GHz, in whole hertz. */
bool ew_value_parse_frequency(const char *text, int64_t *hertz);
/* A number with °C (or C), zero or above. */
bool ew_value_parse_celsius(const char *text, double *degrees);

/* "1 h 52 min", "3 min 10 s", "41 s", "0.4 s" into buf. */
void ew_value_print_duration(double seconds, char *buf, int capacity);
/* Three digits or all before the point: "2083", "57.8", "0.412"; "–" for NAN. */
void ew_value_print_speed(double per_second, char *buf, int capacity);
/* "2.7 GB", "41 MB". Decimal units, as disks are sold. */
void ew_value_print_bytes(double bytes, char *buf, int capacity);

#endif
