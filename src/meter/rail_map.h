/* Which measured rails of a known board make up its power, so that parts are never added to the whole. */
#ifndef EW_METER_RAIL_MAP_H
#define EW_METER_RAIL_MAP_H

#include "edgewise/meter.h"

enum { EW_RAIL_MAP_TOTAL = 6 };

struct ew_rail_map {
    const char *label;                    /* a rail that only this kind of board has */
    const char *total[EW_RAIL_MAP_TOTAL]; /* rails whose sum is the total; the rest are parts of it */
    enum ew_meter_boundary boundary;
    enum ew_trust_grade ceiling;
    const char *covers, *leaves_out;
    const char *source;
};

/* The map of the board whose sensors carry these rail names; NULL when none fits, or when a rail of its total is not
 * among them. */
const struct ew_rail_map *ew_rail_map_find(const char *const *rails, size_t n);

bool ew_rail_map_in_total(const struct ew_rail_map *map, const char *rail);

#endif
