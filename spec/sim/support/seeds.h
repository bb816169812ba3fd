/* Courses from seeds: CQLUA_SEED=n runs one seed, CQLUA_SEEDS=count that many (from CQLUA_SEED on). */
#ifndef SIM_SEEDS_H
#define SIM_SEEDS_H

#include "sim/support/sim.h"

/* Runs `run` with each seed; the simulation is initialised and ended by it. */
void seeds_run(uint64_t otherwise, void (*run)(struct sim *sim, uint64_t seed));
/* After a failure: the command that runs the same seed again. */
void seeds_say(const char *program);

#endif
