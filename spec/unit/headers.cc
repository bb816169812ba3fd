// The public headers in a C++ program with its own libev loop: compiled by the tests, never run.
#include <ev.h>

#include <cqlua.h>
#include <cqlua/libev.h>
#include <cqlua/testing.h>
#include <cqlua/transport.h>

int main()
{
    struct ev_loop *ev = EV_DEFAULT;
    cqlua_loop *loop = cqlua_libev(ev);
    cqlua_transport transport = {};
    cqlua_prime prime;
    cqlua_prime_init(&prime);
    cqlua_loop_free(loop);
    return transport.ops == nullptr ? 0 : 1;
}
