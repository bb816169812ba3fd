#include "sim/support/seeds.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t present; /* of the course at hand */

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

void seeds_run(uint64_t otherwise, void (*run)(struct sim *sim, uint64_t seed))
{
    uint64_t first = number_from("CQLUA_SEED", 1);
    uint64_t count = number_from("CQLUA_SEEDS", getenv("CQLUA_SEED") != NULL ? 1 : otherwise);
    struct sim *sim = malloc(sizeof *sim);
    assert_non_null(sim);
    for (present = first; present < first + count; present++) run(sim, present);
    free(sim);
}

void seeds_say(const char *program)
{
    fprintf(stderr, "replay: CQLUA_SEED=%llu %s\n", (unsigned long long)present, program);
}
