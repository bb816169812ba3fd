#include "io/reason.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct {
    int error;
    const char *text;
} reasons[] = {
    {ECONNREFUSED, "Connection refused"},
    {ECONNRESET, "Connection reset by peer"},
    {EPIPE, "Broken pipe"},
    {ETIMEDOUT, "Connection timed out"},
    {EHOSTUNREACH, "No route to host"},
    {ENETUNREACH, "Network is unreachable"},
    {ENETDOWN, "Network is down"},
    {EADDRNOTAVAIL, "Cannot assign requested address (no free local port, or no such address family here)"},
    {EAFNOSUPPORT, "Address family not supported"},
    {EACCES, "Permission denied (a firewall rule?)"},
    {EPERM, "Operation not permitted (a firewall rule?)"},
    {EMFILE, "Too many open files in this process (raise `ulimit -n`)"},
    {ENFILE, "Too many open files in the system"},
    {ENOBUFS, "No buffer space available"},
    {ENOMEM, "Cannot allocate memory"},
};

const char *reason_of(int error)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].error == error) return reasons[i].text;
    return strerror(error);
}
