/* What the files of the simulation share, and specs do not see. */
#ifndef SIM_INSIDE_H
#define SIM_INSIDE_H

#include "sim/support/sim.h"

#define SIM_SESSION_TAG UINT64_MAX

typedef void sim_event_fn(struct sim *sim, struct sim_event *event);
struct sim_event {
    int64_t time_us;
    uint64_t number; /* equal times: first come, first served */
    sim_event_fn *happen;
    void (*drop)(struct sim_event *event); /* NULL: nothing to free if it never happens */
    void *about;
    size_t size; /* of bytes[] */
    uint8_t bytes[];
};
struct sim_event *sim_event_new(struct sim *sim, int64_t time_us, sim_event_fn *happen, void *about, size_t size);
sim_event_fn sim_answer_lookup;
void sim_call_release(struct sim_call *call);
/* The call whose token it is; NULL: none. */
struct sim_call *sim_call_of_token(struct sim *sim, const char *token);

#endif
