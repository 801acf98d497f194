/* Owns reading one line of tegrastats. Only the power rails are taken; memory (`519/7607MB`) and caches look alike and
 * are told apart by their units. Which rails make up the board: rail_map.c. */
#include "meter/tegrastats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* `1234mW` or `1234` at *text, which moves past it. */
static bool take_milliwatts(const char **text, double *out) {
    bool negative = **text == '-';
    const char *at = *text + negative;
    size_t digits = strspn(at, "0123456789");
    if (digits == 0 || digits > 9) return false;
    double value = strtod(at, NULL);
    at += digits;
    if (strncmp(at, "mW", 2) == 0) at += 2;
    *out = negative ? NAN : value;
    *text = at;
    return true;
}

/* now/average[/maximum], and nothing else in the word. */
static bool parse_rail(const char *word, size_t n, double *now_mw) {
    const char *end = word + n;
    double other;
    if (!take_milliwatts(&word, now_mw) || *word != '/') return false;
    for (int i = 0; i < 2 && word < end && *word == '/'; i++) {
        word++;
        if (!take_milliwatts(&word, &other)) return false;
    }
    return word == end;
}

static bool is_rail_name(const char *word, size_t n) {
    if (n == 0 || n >= EW_TEGRA_NAME_SIZE || word[0] < 'A' || word[0] > 'Z') return false;
    for (size_t i = 0; i < n; i++)
        if (!(word[i] >= 'A' && word[i] <= 'Z') && !(word[i] >= '0' && word[i] <= '9') && word[i] != '_') return false;
    return true;
}

static bool is_stamp(const char *line) {
    static const char shape[] = "00-00-0000 00:00:00 ";
    for (size_t i = 0; shape[i]; i++) {
        bool digit = line[i] >= '0' && line[i] <= '9';
        if (shape[i] == '0' ? !digit : line[i] != shape[i]) return false;
    }
    return true;
}

bool ew_tegra_line_parse(const char *line, struct ew_tegra_line *out) {
    struct ew_tegra_line t = {0};
    if (is_stamp(line)) {
        memcpy(t.stamp, line, 19);
        line += 20;
    }
    if (strncmp(line, "RAM ", 4) != 0) return false;
    const char *name = line;
    size_t name_n = 0;
    while (*line) {
        line += strspn(line, " ");
        size_t n = strcspn(line, " ");
        double now_mw;
        bool rail = is_rail_name(name, name_n) && parse_rail(line, n, &now_mw);
        if (rail && !(name_n == 2 && memcmp(name, "NC", 2) == 0)) {
            if (t.n == EW_TEGRA_MAX_RAILS) return false;
            memcpy(t.rail[t.n], name, name_n);
            t.power_w[t.n++] = now_mw * 1e-3;
        }
        name = line;
        name_n = n;
        line += n;
    }
    *out = t;
    return true;
}
