/* The same poll set where there is no epoll: the archive's poller is not linked, for this one is here already. */
#define CQLUA_WITHOUT_EPOLL
#include "io/poller_poll.c"

#include "io_pollset_spec.c"
